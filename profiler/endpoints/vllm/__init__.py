"""The vLLM that is installed here, and a server that runs as long as we do."""
