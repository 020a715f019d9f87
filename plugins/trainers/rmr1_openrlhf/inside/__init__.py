"""What runs inside the environment of OpenRLHF: no rmr1 here, and nothing of it is imported."""
