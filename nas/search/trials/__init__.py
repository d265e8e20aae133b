"""Trials: the evaluation of one network, and where trials are stored."""
