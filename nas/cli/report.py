"""``python -m nas.cli.report``, which is ``nas report``."""

from nas.cli.__main__ import run_module

run_module(__name__, __file__)
