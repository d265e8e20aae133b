"""``python -m nas.cli.finish``, which is ``nas finish``."""

from nas.cli.__main__ import run_module

run_module(__name__, __file__)
