"""Latency tables that others have published; a format is a file here that registers an ``Importer``."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from pathlib import Path

from nas.errors import UserError, unknown
from nas.latency.importers.registry import IMPORTERS, Importer, register
from nas.latency.table import LatencyTable

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["IMPORTERS", "Importer", "formats", "import_table", "register"]


def formats() -> tuple[str, ...]:
    """The names of all formats."""
    return tuple(sorted(IMPORTERS))


def import_table(form: str, source: Path, *, name: str = "") -> LatencyTable:
    """Reads a published table.

    Args:
        form: One of ``formats()``.
        source: The file or folder as it was published.
        name: The table's name; by default the format's.

    Raises:
        UserError: If there is no such format or source, or the source is not of the format.
    """
    if form not in IMPORTERS:
        raise unknown("format of latency tables", form, IMPORTERS)
    if not source.exists():
        raise UserError(f"{source} does not exist; name the file or folder that holds {IMPORTERS[form].what}")
    table = IMPORTERS[form].read(source)
    return dataclasses.replace(table, name=name or form)
