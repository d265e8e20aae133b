"""``python -m nas.cli.scale``, which is ``nas scale``."""

from nas.cli.__main__ import run_module

run_module(__name__, __file__)
