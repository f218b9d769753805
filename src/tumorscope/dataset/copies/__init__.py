"""Which images of a data set are one picture: exact copies and near copies of any orientation, size and brightness."""
