"""The tables and the picture of the results of ``run.py``.

    python experiments/attention_cifar10/summary.py RUN FOLDER

RUN contains ``networks.csv`` and, if networks have been trained alone, ``trust.csv``, as ``run.py`` writes
them. The script writes ``results.md`` and ``results.svg`` into FOLDER.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.append(str(Path(__file__).resolve().parent.parent))  # for the scripts that experiments share

import scripts
from paired import RESAMPLES, points_ahead
from scripts import Row

from nas.files import write_text
from nas.report.figures.style import BLUE, RED, new_figure, save, styled
from nas.training.trust import Agreement, Compared, ranking

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMES = {"this_machine": "ONNX Runtime", "this_machine_openvino": "OpenVINO"}
LOOKS = {"mixed_32": (BLUE, "o"), "mixed_attention_32": (RED, "s")}
TICKS_MS = (0.25, 0.35, 0.5, 0.7, 1.0)


def main(run: Path, folder: Path) -> None:
    """Reads the raw numbers and writes both files."""
    winners = scripts.read_rows(run / "networks.csv")
    text = "\n".join([*networks(winners), "", *ranks(winners), *trust(run / "trust.csv")]) + "\n"
    write_text(folder / "results.md", text)
    save(draw(winners), folder / "results.svg")
    print(text, end="")


def networks(rows: Sequence[Row]) -> list[str]:
    """The table of the winners."""
    lines = [
        f"{int(rows[0]['images']):,} test images that no training and no choice saw. Latencies are measured",
        "side by side (95 % interval). Differences between the spaces are paired by image, with a 95 %",
        f"bootstrap interval ({RESAMPLES:,} draws).",
        "",
        "| searched for | within, ms | space | kinds of its stages | px | M MACs | "
        + " | ".join(f"ms, {name}" for name in NAMES.values())
        + " | % in the supernet | % trained | ahead of the other space, points |",
        "|---|---:|---|---|---:|---:|" + "---:|" * (len(NAMES) + 3),
    ]
    return [
        *lines,
        *(line(row) for row in sorted(rows, key=lambda row: (row["device"], float(row["budget_ms"])))),
    ]


def line(row: Row) -> str:
    """A winner's line of the table."""
    ahead = points_ahead([row], ours="only_this", theirs="only_other")
    cells = (
        NAMES[row["device"]],
        row["budget_ms"],
        row["space"],
        row["kinds"],
        row["resolution"],
        f"{int(row['macs']) / 1e6:.1f}",
        *(latency(row, device) for device in NAMES),
        f"{100 * float(row['supernet_accuracy']):.1f}",
        f"{accuracy(row):.1f}",
        f"{ahead.value:+.1f} ({ahead.low:+.1f} to {ahead.high:+.1f})",
    )
    return f"| {' | '.join(cells)} |"


def latency(row: Row, device: str) -> str:
    """A measured latency with its interval."""
    value, low, high = (float(row[f"{device}_{key}_ms"]) for key in ("value", "low", "high"))
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


def accuracy(row: Row) -> float:
    """The accuracy of the trained network, in percent."""
    return 100 * int(row["correct"]) / int(row["images"])


def ranks(rows: Sequence[Row]) -> list[str]:
    """The table of the ranking of the winners before and after their training."""
    lines = [
        "The ranking of the winners in their supernet and after their training:",
        "",
        "| winners in | networks | Kendall τ | τ of MACs | τ minus that of MACs | gain by training, points |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for space in (*LOOKS, None):
        some = [trained(row) for row in rows if space in (None, row["space"])]
        distinct = {(each.resolution, each.macs, each.params): each for each in some}  # of two budgets
        lines += agreement(space or "both spaces", list(distinct.values()))
    return lines


def trained(row: Row) -> Compared:
    """A winner, with its accuracy in the supernet and after its training."""
    images = int(row["images"])
    return Compared(
        role="winner",
        code=f"{row['space']}-{row['device']}-{row['budget_ms']}",
        resolution=int(row["resolution"]),
        macs=int(row["macs"]),
        params=int(row["params"]),
        images=images,
        inherited_correct=round(float(row["supernet_accuracy"]) * images),
        alone_correct=int(row["correct"]),
        seconds=0.0,
    )


def trust(path: Path) -> list[str]:
    """The table of the ranking of networks in their supernet and trained alone, once it is there."""
    if not path.is_file() or not path.read_text(encoding="utf-8").strip():
        return []
    rows = scripts.read_rows(path)
    lines = [
        "",
        "The ranking of networks in their supernet and trained alone:",
        "",
        "| supernet of | networks | Kendall τ | τ of MACs | τ minus that of MACs | gain alone, points |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for space in LOOKS:
        lines += agreement(space, [Compared.parse(row) for row in rows if row["space"] == space])
    return lines


def agreement(name: str, some: Sequence[Compared]) -> list[str]:
    """A line on how well two rankings agree; none of fewer than three networks."""
    if len(some) < 3:
        return []
    found = Agreement.of(some, top=1, resamples=2_000, seed=0)
    beyond = ranking(some, resamples=2_000, seed=0).advantage
    cells = (name, found.networks, found.kendall_tau, found.macs_kendall_tau, beyond, found.gap_points)
    return [f"| {' | '.join(str(cell) for cell in cells)} |"]


@styled
def draw(rows: Sequence[Row]) -> Figure:
    """Accuracy against the latency on the device that a network was searched for."""
    figure, axes = new_figure(7.2, 4.4)
    for device, name in NAMES.items():
        for space, (colour, marker) in LOOKS.items():
            points = sorted(
                (float(row[f"{device}_value_ms"]), accuracy(row))
                for row in rows
                if (row["space"], row["device"]) == (space, device)
            )
            if points:
                style: dict[str, Any] = {"linestyle": "-" if device == next(iter(NAMES)) else "--"}
                x, y = zip(*points, strict=True)
                axes.plot(x, y, color=colour, marker=marker, label=f"{space}, {name}", **style)
    axes.set_xscale("log")
    axes.set_xticks(TICKS_MS, [f"{tick:g}" for tick in TICKS_MS])
    axes.minorticks_off()
    axes.set_xlabel("measured latency on the device of the search (ms)")
    axes.set_ylabel("accuracy on test images (%)")
    axes.legend(loc="lower right", fontsize=9)
    return figure


if __name__ == "__main__":
    scripts.summarise(main, __doc__)
