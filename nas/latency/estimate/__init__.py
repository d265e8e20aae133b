"""Latency tables without measuring each block: rooflines, scaled estimates, whole networks."""
