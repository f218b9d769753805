"""Reports that a person reads: one template and one set of plots for every page."""
