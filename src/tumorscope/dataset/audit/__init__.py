"""What is wrong with a data set: one module a check, one document for all."""
