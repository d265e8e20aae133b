"""``python -m nas.cli.cost``, which is ``nas cost``."""

from nas.cli.__main__ import run_module

run_module(__name__, __file__)
