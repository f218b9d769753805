"""Public data sets: what they are, how they are fetched, which version a folder holds, how the study's set is built."""
