"""Block kinds: geometry, primitive operations and cost. A new kind is a new file in this
folder."""

from __future__ import annotations

from nas.blocks.base import (
    LARGEST,
    BlockFormError,
    BlockSettings,
    BlockSpec,
    Rounding,
    block_kinds,
    field_names,
    forms_of,
    make_settings,
    parse_key,
    register,
    settings_from_dict,
    settings_type,
)
from nas.blocks.lowering import Lowering
from nas.blocks.ops import ACTIVATIONS, INPUT, MissingFormError, Op, Shape

__all__ = [
    "ACTIVATIONS",
    "INPUT",
    "LARGEST",
    "BlockFormError",
    "BlockSettings",
    "BlockSpec",
    "Lowering",
    "MissingFormError",
    "Op",
    "Rounding",
    "Shape",
    "block_kinds",
    "field_names",
    "forms_of",
    "make_settings",
    "parse_key",
    "register",
    "settings_from_dict",
    "settings_type",
]
