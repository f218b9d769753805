"""Slices and lesions made by a program: phantoms for tests, lesions drawn into real anatomy for demos."""
