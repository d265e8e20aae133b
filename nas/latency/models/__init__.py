"""Latency models: how the costs of blocks, or whole networks, become a latency."""
