"""Ways to reach a model: over HTTP, or in this process."""
