"""The search step."""
