"""What runs inside veRL's environment: no rmr1 here, and nothing of it is imported."""
