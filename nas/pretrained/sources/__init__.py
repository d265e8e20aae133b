"""One file for each source of pretrained weights."""
