"""``python -m nas.cli.explore``, which is ``nas explore``."""

from nas.cli.__main__ import run_module

run_module(__name__, __file__)
