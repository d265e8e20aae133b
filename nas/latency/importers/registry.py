"""What a format's file provides, and how it makes itself known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nas.latency.table import LatencyTable


@dataclass(frozen=True)
class Importer:
    """A published table.

    Attributes:
        name: The format's name, which is also that of the table that it gives.
        what: What was measured on what.
        read: Reads the file or folder as it was published.
    """

    name: str
    what: str
    read: Callable[[Path], LatencyTable]


IMPORTERS: dict[str, Importer] = {}


def register(importer: Importer) -> Importer:
    """Makes a format known."""
    assert importer.name not in IMPORTERS, f"two formats are called {importer.name}"
    IMPORTERS[importer.name] = importer
    return importer
