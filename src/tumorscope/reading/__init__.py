"""From a file to slices: one module a format, one registry that tells a file by its content.

The way in is :func:`tumorscope.reading.open.open_slices` for one file and
:func:`tumorscope.reading.discover.discover` for folders, archives and many files.
"""
