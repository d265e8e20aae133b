"""Trials: the evaluation of one network, and the storage of trials."""
