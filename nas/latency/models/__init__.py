"""Latency models, based on the costs of blocks or on whole networks."""
