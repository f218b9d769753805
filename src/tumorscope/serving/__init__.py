"""The reading room: a REST API over HTTP, and the page in ``web/`` that uses it. Knows nothing of torch.

The way in is :func:`tumorscope.serving.run.serve`.
"""
