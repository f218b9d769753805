"""The search for settings: what is tried, how it is measured, by how many workers, and what comes of it."""
