"""Random changes of training images: what a scanner, a patient's pose or a viewer might have made of the same head."""
