"""Where in the slice the evidence for an answer lies, as numbers and as a picture."""
