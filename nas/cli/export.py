"""``python -m nas.cli.export``, which is ``nas export``."""

from nas.cli.__main__ import run_module

run_module(__name__, __file__)
