"""``python -m nas.cli.measure``, which is ``nas measure``."""

from nas.cli.__main__ import run_module

run_module(__name__, __file__)
