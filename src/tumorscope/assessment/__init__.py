"""All parts of an evaluation of one model, put together: figures, changed images, heat-maps, and the report."""
