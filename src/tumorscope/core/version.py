"""The version of the package, where every room can reach it."""

__all__ = ["__version__"]

__version__ = "0.1.0"
