"""The tables and the pictures of the results of ``run.py``.

    python experiments/cifar10/summary.py RUN_DIR FOLDER

RUN_DIR holds networks.csv and pairs.csv. The script writes ``results.md``, and a picture for each measured
target, into FOLDER.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.append(str(Path(__file__).resolve().parent.parent))  # for the scripts that experiments share

import scripts
from paired import points_ahead
from scripts import Row

from nas.files import write_text
from nas.report.figures.style import BLUE, GREY, ORANGE, label_points, new_figure, save, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MEASURED = {
    "x86": "ONNX Runtime, FP32",
    "x86_int8": "ONNX Runtime, INT8",
    "openvino_32": "OpenVINO, batches of 32",
}
ESTIMATED = {"raspberry_pi_5": "Raspberry Pi 5", "pixel_6": "Pixel 6"}
RANDOM = "x86_random"
AS_FAST = 1.05
"""A network is as fast as another if it takes at most this share of its latency."""
AS_ACCURATE = 0.5
"""A network is as accurate as another if it is at most so many points behind."""


@dataclass(frozen=True)
class Network:
    """A network with all its seeds.

    Attributes:
        rows: A row for each seed.
    """

    rows: tuple[Row, ...]

    @property
    def name(self) -> str:
        return self.rows[0]["name"]

    @property
    def search(self) -> str:
        """The search that found it; empty for a published network."""
        return self.rows[0]["search"]

    @property
    def accuracy(self) -> float:
        """The mean accuracy of the seeds in percent."""
        return float(np.mean([100 * int(row["correct"]) / int(row["images"]) for row in self.rows]))

    def ms(self, target: str) -> float:
        """The latency on a target."""
        return float(self.rows[0][f"{target}_value_ms"])

    @property
    def shown(self) -> str:
        """Accuracy and number of seeds."""
        return f"{self.accuracy:.1f} ({len(self.rows)})"


def main(run_dir: Path, folder: Path) -> None:
    """Reads the raw numbers and writes all files."""
    networks, pairs = read(run_dir / "networks.csv"), scripts.read_rows(run_dir / "pairs.csv")
    lines = [*every(networks), *matrix(networks), *rivals(networks, pairs)]
    text = "\n".join(lines) + "\n"
    write_text(folder / "results.md", text)
    for target in MEASURED:
        save(draw(networks, target), folder / f"{target}.svg")
    print(text, end="")


def read(path: Path) -> list[Network]:
    """The networks, in their order in the file."""
    rows = scripts.read_rows(path)
    names = dict.fromkeys(row["name"] for row in rows)
    return [Network(tuple(row for row in rows if row["name"] == name)) for name in names]


def every(networks: Sequence[Network]) -> list[str]:
    """The table of all networks."""
    targets = {**MEASURED, **{key: f"{name}, estimated" for key, name in ESTIMATED.items()}}
    lines = [
        "Accuracies in percent on the test images, as means of so many seeds. Latencies in ms: measured",
        "with their 95 % intervals, or bounds by a roofline.",
        "",
        f"| network | accuracy (seeds) | pixels | M MACs | {' | '.join(targets.values())} |",
        f"|---|---:|---:|---:|{'---:|' * len(targets)}",
    ]
    for each in networks:
        row = each.rows[0]
        cells = [each.name, each.shown, row["resolution"], f"{int(row['macs']) / 1e6:.1f}"]
        cells += [latency(row, target) for target in targets]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def latency(row: Row, target: str) -> str:
    """A latency, with its interval if it was measured."""
    value = f"{float(row[f'{target}_value_ms']):.3f}"
    if target in ESTIMATED:
        return value
    low, high = (float(row[f"{target}_{end}_ms"]) for end in ("low", "high"))
    return f"{value} ({low:.3f} to {high:.3f})"


def matrix(networks: Sequence[Network]) -> list[str]:
    """The table of each measured target's winners on each measured target."""
    lines = [
        "",
        "What the searches for one target give on the others: accuracy, and latency in ms. Bold: on its own.",
        "",
        f"| searched for | {' | '.join(MEASURED.values())} |",
        f"|---|{'---:|' * len(MEASURED)}",
    ]
    for each in networks:
        if each.search in MEASURED:
            cells = [f"{each.accuracy:.1f} %, {each.ms(target):.3f}" for target in MEASURED]
            own = list(MEASURED).index(each.search)
            cells[own] = f"**{cells[own]}**"
            lines.append(f"| {each.name} | {' | '.join(cells)} |")
    return lines


def rivals(networks: Sequence[Network], pairs: Sequence[Row]) -> list[str]:
    """The table of what is as fast or as accurate as the winners."""
    lines = [
        "",
        f"Each winner on its own target. As fast: the most accurate published network of at most {AS_FAST}",
        "times its latency; the difference is paired by images and seeds, with its 95 % interval. As",
        f"accurate: the fastest published network that is at most {AS_ACCURATE} points behind, and its",
        "latency relative to the winner's.",
        "",
        "| winner | accuracy | ms | as fast | winner ahead, points | as accurate | relative latency |",
        "|---|---:|---:|---|---:|---|---:|",
    ]
    published = [each for each in networks if not each.search]
    for winner in networks:
        target = {RANDOM: "x86"}.get(winner.search, winner.search)
        if target in MEASURED:
            own_ms = winner.ms(target)
            fast = [each for each in published if each.ms(target) <= AS_FAST * own_ms]
            accurate = [each for each in published if each.accuracy >= winner.accuracy - AS_ACCURATE]
            best = max(fast, key=lambda each: each.accuracy, default=None)
            quick = min(accurate, key=lambda each: each.ms(target), default=None)
            cells = [
                winner.name,
                winner.shown,
                f"{own_ms:.3f}",
                *(("none", "") if best is None else (best.name, ahead(winner, best, pairs))),
                *(("none", "") if quick is None else (quick.name, f"{quick.ms(target) / own_ms:.2f}")),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def ahead(winner: Network, other: Network, pairs: Sequence[Row]) -> str:
    """The points that a winner is ahead of another network."""
    some = [row for row in pairs if (row["name"], row["other"]) == (winner.name, other.name)]
    if not some:
        return "the same network"
    found = points_ahead(some, ours="only_this", theirs="only_other")
    return f"{found.value:+.1f} ({found.low:+.1f} to {found.high:+.1f})"


@styled
def draw(networks: Sequence[Network], target: str) -> Figure:
    """Accuracy against the latency on a measured target."""
    figure, axes = new_figure(7.2, 4.4)
    looks = {"searched for this target": (BLUE, "o"), "searched for others": (ORANGE, "s")}
    looks["published"] = (GREY, "^")
    groups: dict[str, list[tuple[float, float, str]]] = {name: [] for name in looks}
    for each in networks:
        name = "published" if not each.search else "searched for others"
        name = "searched for this target" if each.search == target else name
        groups[name].append((each.ms(target), each.accuracy, each.name))
    for name, (colour, marker) in looks.items():
        if groups[name]:
            x, y, _ = zip(*groups[name], strict=True)
            axes.scatter(x, y, color=colour, marker=marker, label=name)
    axes.set_xscale("log")
    axes.set_xlabel(f"measured latency in {MEASURED[target]} (ms)")
    axes.set_ylabel("accuracy on test images (%)")
    axes.legend(loc="lower right", fontsize=9)
    points = [(x, y, name, GREY) for x, y, name in groups["published"]]
    label_points(axes, points, avoid=[(x, y) for group in groups.values() for x, y, _ in group])
    return figure


if __name__ == "__main__":
    scripts.summarise(main, __doc__)
