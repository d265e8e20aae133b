"""Block kinds: geometry, primitive operations and cost. Every module in this folder is imported, so a new
kind is a new file."""

from __future__ import annotations

import importlib
import pkgutil

from nas.blocks.base import (
    BlockSettings,
    BlockSpec,
    Rounding,
    block_kinds,
    field_names,
    make_settings,
    parse_key,
    register,
    settings_from_dict,
    settings_type,
)
from nas.blocks.ops import ACTIVATIONS, INPUT, Lowering, Op, Shape

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = [
    "ACTIVATIONS",
    "INPUT",
    "BlockSettings",
    "BlockSpec",
    "Lowering",
    "Op",
    "Rounding",
    "Shape",
    "block_kinds",
    "field_names",
    "make_settings",
    "parse_key",
    "register",
    "settings_from_dict",
    "settings_type",
]
