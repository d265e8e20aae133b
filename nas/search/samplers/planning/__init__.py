"""Samplers of our own: evolution and predictor-guided search on top of one planning interface."""
