"""A judge as a reward server."""
