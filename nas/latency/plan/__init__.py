"""The plan of a latency table: probes of every block, and whole networks."""
