"""Measuring from end to end: a table, the blocks that a table lacks."""
