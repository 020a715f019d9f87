"""Tells somebody when a long command ends."""
