"""``python -m nas.cli.run``, which is ``nas run``."""

from nas.cli.__main__ import run_module

run_module(__name__, __file__)
