"""The table and the picture of the results of ``run.py``.

    python experiments/pretrained_cifar10/summary.py NETWORKS.csv FOLDER

NETWORKS.csv is the file of that name that ``run.py`` writes. The script writes ``results.md`` and
``results.svg`` into FOLDER.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).resolve().parent.parent))  # for the scripts that experiments share

import scripts
from paired import RESAMPLES, points_ahead

from nas.files import write_text
from nas.report.figures.style import BLUE, GREEN, ORANGE, RED, new_figure, save, styled

WINNER = "winner"
NAMES = {
    WINNER: "the search's winner, fine-tuned from the supernet",
    "winner-longer": "the winner, fine-tuned for as long as EfficientNet-Lite0",
    "winner-pretrained": "the same network, fine-tuned from EfficientNet-Lite0's weights",
    "winner-scratch": "the same network from scratch",
    "lite0-97": "EfficientNet-Lite0 at 97 px, fine-tuned alone",
    "lite0-129": "EfficientNet-Lite0 at 129 px, fine-tuned alone",
    "lite0-161": "EfficientNet-Lite0 at 161 px, fine-tuned alone",
    "smallest-alone": "the smallest network, fine-tuned alone as long as the supernet",
    "largest-alone": "the largest network, fine-tuned alone as long as the supernet",
    "smallest": "the smallest network with the supernet's weights",
    "largest": "the largest network with the supernet's weights",
}
LOOKS = {
    WINNER: ("winner", RED, "*"),
    "winner-longer": ("winner, fine-tuned for longer", RED, "P"),
    "winner-pretrained": ("winner, without the supernet", RED, "X"),
    "winner-scratch": ("winner from scratch", ORANGE, "v"),
    "lite0": ("EfficientNet-Lite0 alone", BLUE, "o"),
}
OTHERS = ("extremes of the space", GREEN, "s")
HEAD = (
    "| network | epochs | px | M MACs | ms | % right | the winner is ahead by, points |",
    "|---|---:|---:|---:|---:|---:|---:|",
)

Row = Mapping[str, str]


def main(path: Path, folder: Path) -> None:
    """Reads the raw numbers and writes both files."""
    results = read(path)
    write_text(folder / "results.md", markdown(results))
    save(draw(results), folder / "results.svg")
    print(markdown(results), end="")


def read(path: Path) -> dict[str, list[Row]]:
    """The rows of each network, one per seed."""
    groups: dict[str, list[Row]] = {}
    for row in scripts.read_rows(path):
        groups.setdefault(row["name"], []).append(row)
    return groups


def markdown(results: Mapping[str, Sequence[Row]]) -> str:
    """The table."""
    first = next(iter(results.values()))
    head = [
        f"{int(first[0]['images']):,} test images that no training and no choice saw. Latencies are measured",
        "side by side (95 % interval). Accuracies: the mean, and each seed. Differences are paired by seed",
        f"and image, with a 95 % bootstrap interval over both ({RESAMPLES:,} draws).",
        "",
        *HEAD,
    ]
    return "\n".join([*head, *(line(name, rows) for name, rows in results.items())]) + "\n"


def line(name: str, rows: Sequence[Row]) -> str:
    """A network's line of the table."""
    facts, values = rows[0], accuracies(rows)
    low, value, high = (float(facts[f"{key}_ms"]) for key in ("low", "value", "high"))
    gain = "–"
    if name != WINNER:
        interval = points_ahead(rows, ours="only_winner", theirs="only_this")
        gain = f"{interval.value:+.1f} ({interval.low:+.1f} to {interval.high:+.1f})"
    cells = (
        NAMES[name],
        facts["epochs"],
        facts["resolution"],
        f"{int(facts['macs']) / 1e6:.0f}",
        f"{value:.2f} ({low:.2f} to {high:.2f})",
        f"{values.mean():.1f} ({', '.join(f'{each:.1f}' for each in values)})",
        gain,
    )
    return f"| {' | '.join(cells)} |"


def accuracies(rows: Sequence[Row]) -> np.ndarray:
    """The accuracy of each seed, in percent."""
    return np.array([100 * int(row["correct"]) / int(row["images"]) for row in rows])


@styled
def draw(results: Mapping[str, Sequence[Row]]) -> Any:
    """Accuracy against measured latency."""
    figure, axes = new_figure(6.6, 4.4)
    drawn = set[str]()
    for name, rows in results.items():
        kind = name if name in LOOKS else name.split("-")[0]
        text, colour, marker = LOOKS.get(kind, OTHERS)
        x = [float(row["value_ms"]) for row in rows]
        size = 110 if marker == "*" else 42
        axes.scatter(
            x,
            accuracies(rows),
            s=size,
            marker=marker,
            color=colour,
            edgecolors="white",
            zorder=3,
            label="" if text in drawn else text,
        )
        drawn.add(text)
    axes.set_xlabel("measured latency (ms)")
    axes.set_ylabel("accuracy on test images (%)")
    axes.legend(loc="lower right", fontsize=9)
    return figure


if __name__ == "__main__":
    scripts.summarise(main, __doc__)
