"""Judges: which of two answers a model prefers, in both orders, and what to make of its verdicts."""
