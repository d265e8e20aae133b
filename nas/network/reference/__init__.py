"""Networks that the field knows by name. Every module in this folder is imported, so a new family is a new
file."""

from __future__ import annotations

import importlib
import pkgutil

from nas.network.reference.base import (
    UNROUNDED,
    Body,
    Reference,
    reference,
    reference_names,
    reference_network,
)

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["UNROUNDED", "Body", "Reference", "reference", "reference_names", "reference_network"]
