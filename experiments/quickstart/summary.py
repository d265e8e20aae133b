"""The table and the picture of the README, from several runs of the quickstart.

    nas run experiment=quickstart --multirun seed=0,1,2
    python experiments/quickstart/summary.py runs/quickstart

It prints the table in Markdown and writes ``summary.svg`` into the folder.
"""

from __future__ import annotations

import dataclasses
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from nas.deploy.manifest import Spread
from nas.errors import UserError
from nas.report import Row, read_table
from nas.report.figures import draw_comparison
from nas.report.figures.style import save

BEST = "best MobileNetV2"
Value = Callable[[Row], float]


def main(folder: Path) -> None:
    """Prints the table of the runs ``folder/seed-*`` and draws the picture."""
    runs = sorted(folder.glob("seed-*"))
    if not runs:
        raise UserError(f"{folder} has no runs seed-0, seed-1, …; make them: nas run … --multirun seed=0,1,2")
    together: dict[str, list[Row]] = {}
    for run in runs:
        for row in read_table(run):
            together.setdefault(row.name, []).append(row)
            if row.best:
                together.setdefault(BEST, []).append(row)
    print(table(together, runs=len(runs)))
    means = [mean_row(rows) for name, rows in together.items() if name != BEST]
    save(draw_comparison(means), folder / "summary.svg")


def table(together: dict[str, list[Row]], *, runs: int) -> str:
    """The Markdown table; means over the runs, ± their standard deviation."""
    lines = [
        "| network | test accuracy, % | MACs, M | parameters, k | predicted, ms | measured, ms |",
        "|---|---:|---:|---:|---:|---:|",
        *(line(name, rows) for name, rows in sorted(together.items(), key=order)),
    ]
    note = (
        f"Mean of {runs} seeds ± standard deviation between them; the best MobileNetV2 is chosen for each "
        "seed, by validation accuracy."
    )
    return "\n".join([*lines, "", note])


def order(item: tuple[str, list[Row]]) -> tuple[int, float]:
    """Winner, best baseline, extremes, then all baselines from the cheapest."""
    name, rows = item
    ranks = {"winner": 0, BEST: 1, "largest": 2, "smallest": 3}
    return ranks.get(name, 4), rows[0].macs


def line(name: str, rows: Sequence[Row]) -> str:
    """One line of the table."""
    shown = f"**{name}**" if name == "winner" else name
    cells = [
        spread(rows, lambda row: 100 * row.test_accuracy, digits=1),
        spread(rows, lambda row: row.macs / 1e6, digits=2),
        spread(rows, lambda row: row.params / 1e3, digits=0),
        spread(rows, lambda row: row.predicted_ms or float("nan"), digits=3),
        spread(rows, measured_ms, digits=3),
    ]
    return f"| {shown} | {' | '.join(cells)} |"


def measured_ms(row: Row) -> float:
    """The latency of the exported file; NaN if it was not measured."""
    return float("nan") if row.latency_ms is None else row.latency_ms.value


def spread(rows: Sequence[Row], value: Value, *, digits: int) -> str:
    """Mean ± standard deviation, or the mean alone if all runs agree."""
    values = [value(row) for row in rows]
    mean = f"{statistics.fmean(values):.{digits}f}"
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{mean} ± {deviation:.{digits}f}" if deviation else mean


def mean_row(rows: Sequence[Row]) -> Row:
    """One row for several runs, with the sum of test images and the range of measured latencies."""
    latencies_ms = [row.latency_ms.value for row in rows if row.latency_ms is not None]
    latency = Spread(
        value=statistics.fmean(latencies_ms),
        low=min(latencies_ms),
        high=max(latencies_ms),
    )
    return dataclasses.replace(
        rows[0],
        test_correct=sum(row.test_correct for row in rows),
        test_total=sum(row.test_total for row in rows),
        by_class=(),
        latency_ms=latency,
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        main(Path(sys.argv[1]))
    except UserError as error:
        sys.exit(f"error: {error}")
