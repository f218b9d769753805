"""Slices and lesions made by a program: phantoms drawn from an average brain, lesions for them and for demos."""

from __future__ import annotations

__all__ = ["SYNTHETIC"]

SYNTHETIC = "synthetic"
"""What the column ``source`` of a manifest says of every made-up image."""
