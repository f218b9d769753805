"""From a slice to an answer, without torch: open a bundle, run it, read its outputs.

The way in is :func:`tumorscope.load`, that is :func:`tumorscope.inference.classifier.load`.
"""
