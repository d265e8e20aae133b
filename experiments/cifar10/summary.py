"""The tables and the pictures of the results of ``find.py`` and ``train.py``.

    python experiments/cifar10/summary.py RUN_DIR FOLDER

RUN_DIR holds networks.json and trained.csv. The script writes ``results.md``, and a picture for each measured
target, into FOLDER.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.append(str(Path(__file__).resolve().parent.parent))  # for the scripts that experiments share

import scripts
from compared import MEASURED, NETWORKS, TARGETS, TRAINED, Subject, distinct, read_subjects, unpacked
from paired import points_ahead

from nas.files import read_json, write_text
from nas.report.figures.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    label_points,
    new_figure,
    save,
    styled,
)
from nas.statistics import Interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nas.network import NetworkSpec

WORDS = {
    "x86": "ONNX Runtime, FP32",
    "x86_int8": "ONNX Runtime, INT8",
    "openvino_32": "OpenVINO, batches of 32",
    "raspberry_pi_5": "Raspberry Pi 5, estimated",
    "pixel_6": "Pixel 6, estimated",
}
AS_FAST = 1.05
"""A network is as fast as another if it takes at most this share of its latency."""
AS_ACCURATE = 0.5
"""A network is as accurate as another if it is at most so many points behind."""
MARGIN = 1.0
"""Points by which an accuracy may be off: seeds deviate by 1.2, means of three by 0.7."""


@dataclass(frozen=True)
class Network:
    """A network with all its trainings.

    Attributes:
        subject: The network.
        correct: Which test images it classifies correctly, for each seed.
    """

    subject: Subject
    correct: Mapping[int, np.ndarray]

    @property
    def name(self) -> str:
        return self.subject.name

    @property
    def search(self) -> str:
        """The search that found it; empty for a published network."""
        return self.subject.search

    @property
    def accuracy(self) -> float:
        """The mean accuracy of the seeds in percent."""
        return float(np.mean([100 * each.mean() for each in self.correct.values()]))

    def ms(self, target: str) -> float:
        """The latency on a target."""
        return self.subject.ms(target)

    @property
    def shown(self) -> str:
        """Accuracy and number of seeds."""
        return f"{self.accuracy:.1f} ({len(self.correct)})"


def main(run_dir: Path, folder: Path) -> None:
    """Reads the raw numbers and writes all files."""
    networks = read(run_dir)
    lines = [*every(networks), *made_of(networks), *matrix(networks), *rivals(networks), *trust(run_dir)]
    text = "\n".join(lines) + "\n"
    write_text(folder / "results.md", text)
    for target in MEASURED:
        save(draw(networks, target), folder / f"{target}.svg")
    print(text, end="")


def read(run_dir: Path) -> list[Network]:
    """The networks that are trained, in their order."""
    subjects = read_subjects(run_dir / NETWORKS)
    names, correct = distinct(subjects), dict[str, dict[int, np.ndarray]]()
    for row in scripts.read_rows(run_dir / TRAINED):
        of_seed = unpacked(row["which"], int(row["images"]))
        correct.setdefault(row["name"], {})[int(row["seed"])] = of_seed
    found = [(each, correct.get(names[each.network], {})) for each in merged(subjects)]
    return [Network(each, trained) for each, trained in found if trained]


def merged(subjects: Sequence[Subject]) -> list[Subject]:
    """The subjects, with one for both budgets of a search where it has found one network for both."""
    found: dict[tuple[str, NetworkSpec], Subject] = {}
    for each in subjects:
        key = (each.search, each.network)
        known = found.get(key)
        found[key] = each if known is None else dataclasses.replace(known, name=f"{known.name}, {each.name}")
    return list(found.values())


def every(networks: Sequence[Network]) -> list[str]:
    """The table of all networks."""
    lines = [
        "Accuracies in percent on the test images, as means of so many seeds. Latencies in ms: measured",
        "with their 95 % intervals, or bounds by a roofline.",
        "",
        f"| network | accuracy (seeds) | pixels | M MACs | k parameters | {' | '.join(WORDS.values())} |",
        f"|---|---:|---:|---:|---:|{'---:|' * len(TARGETS)}",
    ]
    for each in networks:
        network = each.subject.network
        sizes = [str(network.resolution), f"{network.macs / 1e6:.1f}", f"{network.params / 1e3:.0f}"]
        cells = [each.name, each.shown, *sizes, *(latency(each.subject, target) for target in TARGETS)]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def latency(subject: Subject, target: str) -> str:
    """A latency, with its interval if it was measured."""
    found = subject.latencies_ms[target]
    if target not in MEASURED:
        return f"{found['value']:.3f}"
    return f"{found['value']:.3f} ({found['low']:.3f} to {found['high']:.3f})"


def made_of(networks: Sequence[Network]) -> list[str]:
    """The table of what the searches have found: its blocks, and how well its latency was predicted."""
    lines = [
        "",
        "What the searches have found: the blocks, and the latency on the own target in ms.",
        "",
        "| found | blocks | predicted | measured | ratio |",
        "|---|---|---:|---:|---:|",
    ]
    for each in (each for each in networks if each.search):
        kinds = Counter(block.KIND for stage in each.subject.network.stages for block in stage)
        blocks = ", ".join(f"{count}× {kind}" for kind, count in kinds.items())
        measured, predicted = each.ms(each.subject.target), each.subject.predicted_ms or 0.0
        cells = [f"{predicted:.3f}", "–", "–"]
        if each.subject.target in MEASURED:
            cells = [f"{predicted:.3f}", f"{measured:.3f}", f"{measured / predicted:.3f}"]
        lines.append(f"| {each.name} | {blocks} | {' | '.join(cells)} |")
    return lines


def matrix(networks: Sequence[Network]) -> list[str]:
    """The table of each target's winners on each target."""
    lines = [
        "",
        "What the searches for one target give on the others: accuracy, and latency in ms. Bold: on its own.",
        "",
        f"| searched for | accuracy | {' | '.join(WORDS.values())} |",
        f"|---|---:|{'---:|' * len(TARGETS)}",
    ]
    for each in networks:
        if each.search in TARGETS:
            cells = {target: f"{each.ms(target):.3f}" for target in TARGETS}
            cells[each.search] = f"**{cells[each.search]}**"
            lines.append(f"| {each.name} | {each.shown} | {' | '.join(cells.values())} |")
    return lines


def rivals(networks: Sequence[Network]) -> list[str]:
    """The table of what is as fast or as accurate as the winners."""
    lines = [
        "",
        f"Each winner on its own target. As fast: the most accurate published network of at most {AS_FAST}",
        "times its latency; the difference is paired by images and seeds, with its 95 % interval. As",
        f"accurate: the fastest published network that is at most {AS_ACCURATE} points behind, and its",
        "latency relative to the winner's. On the front: the relative latency of a published network as",
        "accurate as the winner, interpolated on the front of the published ones (accuracies are linear in",
        f"the logarithm of the latency), and that of one {MARGIN:g} points less and more accurate.",
        "",
        "| winner | accuracy | ms | as fast | ahead, points | as accurate | relative ms | on the front |",
        "|---|---:|---:|---|---:|---|---:|---:|",
    ]
    published = [each for each in networks if not each.search]
    for winner in (each for each in networks if each.search and each.subject.target in MEASURED):
        target = winner.subject.target
        own_ms = winner.ms(target)
        fast = [each for each in published if each.ms(target) <= AS_FAST * own_ms]
        accurate = [each for each in published if each.accuracy >= winner.accuracy - AS_ACCURATE]
        best = max(fast, key=lambda each: each.accuracy, default=None)
        quick = min(accurate, key=lambda each: each.ms(target), default=None)
        cells = [
            winner.name,
            winner.shown,
            f"{own_ms:.3f}",
            *(("none", "") if best is None else (best.name, ahead(winner, best))),
            *(("none", "") if quick is None else (quick.name, f"{quick.ms(target) / own_ms:.2f}")),
            on_the_front(published, winner),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def on_the_front(published: Sequence[Network], winner: Network) -> str:
    """The latency of a winner's accuracy on the front of published networks, relative to its own."""
    target = winner.subject.target
    ratios = [
        front_ms(published, target, winner.accuracy + points) / winner.ms(target)
        for points in (0.0, -MARGIN, MARGIN)
    ]
    return "{:.2f} ({:.2f} to {:.2f})".format(*ratios)


def front_ms(networks: Sequence[Network], target: str, accuracy: float) -> float:
    """The latency of an accuracy on the front of networks; NaN outside of it."""
    front = list[Network]()
    for each in sorted(networks, key=lambda each: (each.ms(target), -each.accuracy)):
        if not front or each.accuracy > front[-1].accuracy:
            front.append(each)
    logs = [math.log(each.ms(target)) for each in front]
    accuracies = [each.accuracy for each in front]
    return math.exp(np.interp(accuracy, accuracies, logs, left=math.nan, right=math.nan))


def ahead(winner: Network, other: Network) -> str:
    """The points that a winner is ahead of another network, by the seeds that both have."""
    pairs = [
        {
            "images": str(len(winner.correct[seed])),
            "only_this": str((winner.correct[seed] & ~other.correct[seed]).sum()),
            "only_other": str((other.correct[seed] & ~winner.correct[seed]).sum()),
        }
        for seed in winner.correct
        if seed in other.correct
    ]
    found = points_ahead(pairs, ours="only_this", theirs="only_other")
    return f"{found.value:+.1f} ({found.low:+.1f} to {found.high:+.1f})"


def trust(run_dir: Path) -> list[str]:
    """How well the supernet and its calibration rank networks trained alone."""
    found = read_json(run_dir / NETWORKS)["trust"]
    calibrated = found["calibrated"]
    names = {
        "supernet": "the supernet",
        "macs": "MACs",
        "one_out": "the calibration, by all other networks",
        "band_out": "the calibration, by the networks of other bands of MACs",
    }
    return [
        "",
        f"Kendall's τ with {calibrated['networks']} networks trained alone for",
        f"{found['training']['epochs']} epochs, on {found['image_count']} search-validation images:",
        "",
        "| ranked by | τ |",
        "|---|---:|",
        *(f"| {word} | {interval(calibrated[key])} |" for key, word in names.items()),
    ]


def interval(value: Mapping[str, float | None]) -> str:
    """An interval; equal accuracies have no τ, which a file holds as null."""
    return str(Interval(**{key: math.nan if each is None else each for key, each in value.items()}))


@styled
def draw(networks: Sequence[Network], target: str) -> Figure:
    """Accuracy against the latency on a measured target."""
    from matplotlib.ticker import FuncFormatter, LogLocator

    figure, axes = new_figure(7.2, 4.4)
    looks = {
        "searched for this target": (BLUE, "o"),
        "the same, without calibration or at random": (GREEN, "D"),
        "searched for others": (ORANGE, "s"),
        "published": (GREY, "^"),
    }
    groups: dict[str, list[tuple[float, float, str]]] = {name: [] for name in looks}
    for each in networks:
        groups[group(each, target)].append((each.ms(target), each.accuracy, each.name))
    for name, (colour, marker) in looks.items():
        if groups[name]:
            x, y, _ = zip(*groups[name], strict=True)
            axes.scatter(x, y, color=colour, marker=marker, label=name)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda ms, _: f"{ms:g}"))
    axes.minorticks_off()
    axes.margins(x=0.15)  # room for names
    axes.set_xlabel(f"measured latency in {WORDS[target]} (ms)")
    axes.set_ylabel("accuracy on test images (%)")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncol=2, fontsize=9)
    points = [(x, y, name, GREY) for x, y, name in groups["published"]]
    label_points(axes, points, avoid=[(x, y) for group in groups.values() for x, y, _ in group])
    return figure


def group(network: Network, target: str) -> str:
    """What a network is on a target."""
    if not network.search:
        return "published"
    if network.subject.target != target:
        return "searched for others"
    usual = network.search in TARGETS
    return "searched for this target" if usual else "the same, without calibration or at random"


if __name__ == "__main__":
    scripts.summarise(main, __doc__)
