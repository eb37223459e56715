"""Our probes as tasks of lm-eval."""
