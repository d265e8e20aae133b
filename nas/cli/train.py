"""``python -m nas.cli.train``, which is ``nas train``."""

from nas.cli.__main__ import run_module

run_module(__name__, __file__)
