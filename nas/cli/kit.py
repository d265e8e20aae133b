"""``python -m nas.cli.kit``, which is ``nas kit``."""

from nas.cli.__main__ import run_module

run_module(__name__, __file__)
