"""``python -m nas.cli.table``, which is ``nas table``."""

from nas.cli.__main__ import run_module

run_module(__name__, __file__)
