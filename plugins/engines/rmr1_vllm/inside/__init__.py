"""What runs inside the environment of vLLM: no rmr1 here, and nothing of it is imported."""
