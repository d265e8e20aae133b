"""``python -m nas.cli.search``, which is ``nas search``."""

from nas.cli.__main__ import run_module

run_module(__name__, __file__)
