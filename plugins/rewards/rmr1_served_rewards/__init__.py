"""A served judge as the reward of a training."""
