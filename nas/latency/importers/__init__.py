"""Latency tables that others have published, one file for each format; each registers itself."""

from __future__ import annotations

from pathlib import Path

from nas.latency.importers.registry import FORMATS
from nas.latency.table import LatencyTable

__all__ = ["FORMATS", "import_table"]


def import_table(form: str, source: Path, *, name: str = "") -> LatencyTable:
    """Reads a published table.

    Args:
        form: One of ``FORMATS``.
        source: The file or folder as it was published.
        name: The table's name; by default that under which it is shipped.

    Raises:
        UserError: If there is no such format, or the source is not of it.
    """
    raise NotImplementedError
