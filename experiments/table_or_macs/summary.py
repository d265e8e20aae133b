"""The table and the picture of the results of ``run.py``.

    python experiments/table_or_macs/summary.py NETWORKS.csv FOLDER

The script writes ``results.md`` and ``results.svg`` into FOLDER.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.append(str(Path(__file__).resolve().parent.parent))  # for the scripts that experiments share

import scripts
from scripts import Row

from nas.arrays import FloatArray
from nas.files import write_text
from nas.report.figures.style import BLUE, INK, RED, new_figure, save, styled
from nas.statistics import Interval, bootstrap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DEVICES = {"this_machine": "ONNX Runtime", "this_machine_openvino": "OpenVINO"}
COSTS = {"macs": "multiply-accumulates", **{key: f"the table of {name}" for key, name in DEVICES.items()}}
COLOURS = {"macs": RED, "this_machine": BLUE, "this_machine_openvino": BLUE}
RESAMPLES = 10_000


def main(path: Path, folder: Path) -> None:
    """Reads the raw numbers and writes both files."""
    rows = scripts.read_rows(path)
    text = "\n".join(table(rows)) + "\n"
    write_text(folder / "results.md", text)
    save(draw(rows), folder / "results.svg")
    print(text, end="")


def table(rows: Sequence[Row]) -> list[str]:
    """The comparison of the searches on each device."""
    seeds, levels = len({row["seed"] for row in rows}), len({row["level"] for row in rows})
    lines = [
        f"{seeds} seeds, {levels} accuracies in each. The latency of a seed is the geometric mean of the",
        "measured latencies of the networks that are chosen for these accuracies, relative to the search by",
        "the device's own table; the own table wins a seed if its latency is lower. Points: the accuracy on",
        f"{int(rows[0]['hidden_images']):,} validation images hidden from the searches, minus that of the",
        f"own table's networks. 95 % bootstrap intervals over seeds ({RESAMPLES:,} draws).",
        "",
        "| measured in | searched by | relative latency | seeds won | points | M MACs | blocks |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for device, name in DEVICES.items():
        costs = (device, *(cost for cost in COSTS if cost != device))
        lines += [f"| {name} | {COSTS[cost]} | {' | '.join(cells(rows, device, cost))} |" for cost in costs]
    return lines


def cells(rows: Sequence[Row], device: str, cost: str) -> tuple[str, ...]:
    """The numbers of a search on a device."""
    macs = f"{np.exp(_log_means(rows, 'macs', cost).mean()) / 1e6:.1f}"
    blocks = f"{np.mean([_blocks(row) for row in rows if row['cost'] == cost]):.1f}"
    if cost == device:
        return "1", "–", "–", macs, blocks
    ratios = relative(rows, device, cost)
    ratio = _interval(np.log(ratios))
    points = _interval(_hidden(rows, cost) - _hidden(rows, device))
    return (
        "{:.2f} ({:.2f} to {:.2f})".format(*np.exp([ratio.value, ratio.low, ratio.high])),
        f"{int((ratios > 1).sum())} of {len(ratios)}",
        f"{points.value:+.1f} ({points.low:+.1f} to {points.high:+.1f})",
        macs,
        blocks,
    )


def _blocks(row: Row) -> int:
    """The number of blocks in a network's stages."""
    return sum(int(part.split("×")[0]) for part in row["kinds"].split())


def relative(rows: Sequence[Row], device: str, cost: str) -> FloatArray:
    """The latency of each seed's networks on a device, relative to the search by the device's own table."""
    column = f"{device}_value_ms"
    return np.exp(_log_means(rows, column, cost) - _log_means(rows, column, device))


def _interval(values: FloatArray) -> Interval:
    """The mean over seeds with its interval."""
    return bootstrap(lambda a, _: float(a.mean()), values, values, seed=0, resamples=RESAMPLES)


def _log_means(rows: Sequence[Row], column: str, cost: str) -> FloatArray:
    """The mean logarithm of a column for each seed, over the networks of a search."""
    return _means(rows, cost, lambda row: float(np.log(float(row[column]))))


def _hidden(rows: Sequence[Row], cost: str) -> FloatArray:
    """The mean accuracy on hidden images for each seed, in percent."""
    return _means(rows, cost, lambda row: 100 * float(row["hidden_correct"]) / int(row["hidden_images"]))


def _means(rows: Sequence[Row], cost: str, value: Callable[[Row], float]) -> FloatArray:
    seeds = dict.fromkeys(row["seed"] for row in rows)
    return np.array(
        [
            np.mean([value(row) for row in rows if (row["seed"], row["cost"]) == (seed, cost)])
            for seed in seeds
        ]
    )


@styled
def draw(rows: Sequence[Row]) -> Figure:
    """The relative latency of each seed."""
    figure, axes = new_figure(7.2, 2.6)
    lines = [(device, cost) for device in DEVICES for cost in COSTS if cost != device]
    for height, (device, cost) in enumerate(reversed(lines)):
        ratios = relative(rows, device, cost)
        axes.scatter(ratios, [height] * len(ratios), color=COLOURS[cost], s=24, alpha=0.7, linewidths=0)
    names = [f"{DEVICES[device]}, searched by {COSTS[cost]}" for device, cost in reversed(lines)]
    axes.set_yticks(range(len(lines)), names)
    axes.axvline(1, color=INK, linewidth=0.8)
    axes.set_ylim(-0.6, len(lines) - 0.4)
    axes.set_xlabel("latency relative to the search by the own table")
    return figure


if __name__ == "__main__":
    scripts.summarise(main, __doc__)
