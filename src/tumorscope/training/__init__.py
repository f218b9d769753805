"""From images and a configuration to a trained network."""
