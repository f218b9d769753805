"""What answers are worth: figures with intervals under a named protocol. Never runs a model by itself."""
