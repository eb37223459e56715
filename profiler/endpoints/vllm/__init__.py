"""The vLLM that is installed here, and a server that runs as long as we do."""

from profiler.endpoints.vllm import installed, server

__all__ = ["installed", "server"]
