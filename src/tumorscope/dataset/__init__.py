"""Rows of a data set, splits that do not leak, the cache of network inputs."""
