"""Steps that make or load latency tables."""
