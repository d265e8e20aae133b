"""Hydra: composing the configuration, help, completion, and errors in one line."""
