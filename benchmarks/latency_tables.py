"""The errors of measured tables: ``python benchmarks/latency_tables.py TABLE.json …``.

Prints Markdown rows for each setting: the table, the same without correction, multiply-accumulates alone, and
the noise floor, which is one half of the rounds against the other. Each table contains its raw rounds.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from nas.latency import LatencyTable
from nas.latency.models.accuracy import Figures

COLUMNS = ("MAPE, %", "within ±5 %, %", "within ±10 %, %", "Spearman", "Kendall τ", "Spearman in bands")


def main(paths: Sequence[Path]) -> None:
    """Prints the rows."""
    print(f"| setting | networks | how | {' | '.join(COLUMNS)} |")
    print(f"|---|---:|---|{'---:|' * len(COLUMNS)}")
    for path in paths:
        table = LatencyTable.load(path)
        accuracy = table.accuracy
        if accuracy is None:
            print(f"| {table.name} | 0 | unknown |{' – |' * len(COLUMNS)}")
            continue
        rows = {
            "corrected": accuracy.table,
            "no correction": accuracy.uncorrected,
            "MACs alone": accuracy.macs,
            "noise floor": accuracy.noise_floor,
        }
        for how, figures in rows.items():
            if figures is not None:
                print(f"| {setting(table)} | {accuracy.networks} | {how} | {row(figures)} |")


def setting(table: LatencyTable) -> str:
    """Space, runtime, precision and threads."""
    device = table.device
    return f"{table.space}, {device.runtime} {device.precision}, {device.threads} thread(s)"


def row(figures: Figures) -> str:
    """The columns of one row."""
    bands = "–" if figures.spearman_in_bands is None else f"{figures.spearman_in_bands:.4f}"
    shares = (figures.mape, figures.within_5, figures.within_10)
    ranks = (figures.spearman, figures.kendall)
    return " | ".join([*(f"{100 * x:.2f}" for x in shares), *(f"{x:.4f}" for x in ranks), bands])


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
