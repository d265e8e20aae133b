"""``python -m nas.cli.compare``, which is ``nas compare``."""

from nas.cli.__main__ import run_module

run_module(__name__, __file__)
