"""Reading a latency table from a file of ``nas table`` or of ``measure.pyz``."""

from __future__ import annotations

from pathlib import Path

from nas.latency.costs.from_samples import table_from_result
from nas.latency.storage import find_table, is_result, read_file, table_faults
from nas.latency.table import LatencyTable


def load_table(name_or_path: str | Path) -> LatencyTable:
    """Reads a table, or computes it from the samples of ``measure.pyz``.

    Args:
        name_or_path: A name in ``latency_tables/`` (of the working directory, then ours), or a path.

    Raises:
        UserError: If it is missing, cut off, edited, or of another version.
    """
    path = find_table(name_or_path)
    content = read_file(path)
    if not is_result(content):
        return LatencyTable.from_content(content, path=path)
    with table_faults(path):
        return table_from_result(content, path=path)
