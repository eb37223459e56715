"""EvalHub queues our probes and shows our numbers: a provider for it, and the job that it starts."""

__all__: list[str] = []
