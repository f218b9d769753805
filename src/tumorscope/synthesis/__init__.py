"""Slices and lesions made by a program: phantoms drawn from an average brain, lesions for them and for demos."""
