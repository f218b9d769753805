"""The figures of the original study, which stand beside ours.

Owns three numbers that were published and not measured here, and the words that say so.
"""

from __future__ import annotations

from tumorscope.study.document import Published

__all__ = ["PUBLISHED", "PUBLISHED_NOTE"]

PUBLISHED_NOTE = (
    "The figures marked as the original study's are that study's own: its three models on the official split of the "
    "7,023-image set, without intervals. They were not measured here, and its images, training and code are not ours."
)

PUBLISHED = {
    "light-cnn": Published(accuracy=0.8063, loss=0.97, model="Model 1"),
    "deep-cnn": Published(accuracy=0.7704, loss=0.72, model="Model 2"),
    "vgg16": Published(accuracy=0.8947, loss=0.30, model="Model 3, VGG-16"),
}
"""By recipe: what the study reports of its model of this kind."""
