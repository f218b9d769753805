"""The names that a study starts with. Imports nothing, since ``--help`` reads them too."""

from __future__ import annotations

__all__ = ["DEFAULT_PROTOCOLS", "DEFAULT_RECIPES"]

DEFAULT_RECIPES = ("light-cnn", "deep-cnn", "vgg16", "efficientnet-lite0")
"""The study's three models, and the one that this package ships."""

DEFAULT_PROTOCOLS = ("official", "patient-wise", "leak-free")
