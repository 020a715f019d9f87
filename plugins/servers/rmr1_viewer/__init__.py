"""A local page over runs."""
