"""What a latency table measures: probes of every block, and whole networks."""
