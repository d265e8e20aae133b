"""Measuring from end to end: a table, or the blocks that a table lacks."""
