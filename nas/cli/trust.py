"""``python -m nas.cli.trust``, which is ``nas trust``."""

from nas.cli.__main__ import run_module

run_module(__name__, __file__)
