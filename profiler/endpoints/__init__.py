"""A model answers requests: what is known comes from the cache, the rest from a server or this process."""
