"""A checkpoint that runs in this process as an engine."""
