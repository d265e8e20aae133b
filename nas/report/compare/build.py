"""Writes the comparison of runs as a page."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nas.files import write_text
from nas.report import html
from nas.report.compare.fronts import fronts
from nas.report.compare.runs import Compared, differing, groups_of, name_of, read_runs
from nas.report.differences import of_counts, of_means
from nas.report.drawing.collection import Collection
from nas.report.page.template import json_text, page, render
from nas.report.table import ABSENT, milliseconds, shown_share, with_interval

if TYPE_CHECKING:
    from markupsafe import Markup


def write_comparison(path: Path, folders: Sequence[Path]) -> None:
    """Writes the page.

    Args:
        path: The file.
        folders: The run folders; the first is the one that the others are compared with.

    Raises:
        UserError: If there are fewer than two, or one holds no run.
    """
    runs, drawings = read_runs(folders), Collection()
    sections = [
        ("Winners", [_table(runs), *_significance(runs)]),
        ("Fronts", fronts(runs)),
        ("The winners under each other", _drawn(runs, drawings)),
        ("What differs in the configuration", _settings(runs)),
    ]
    title = " and ".join(run.name for run in runs)
    cells = drawings.to_dict()
    body = render(
        "compare.html",
        title=title,
        warnings=_warnings(runs),
        sections=[(heading, parts) for heading, parts in sections if parts],
        data={} if cells is None else {"drawings": json_text(cells)},
    )
    write_text(path, page(f"Comparison of {title}", body))


def _warnings(runs: Sequence[Compared]) -> list[str]:
    """Says in what the runs cannot be compared."""
    found = []
    if len({run.data for run in runs}) > 1:
        found.append("The runs saw different data or splits: their accuracies cannot be compared.")
    elif len({run.settings.get("seed") for run in runs}) > 1:
        found.append("The runs have different seeds, and so other test images: compare means over seeds.")
    devices = dict.fromkeys(run.device for run in runs if run.device)
    if len(devices) > 1:
        found.append(f"Latencies are of different devices and cannot be compared: {'; '.join(devices)}.")
    for run in runs:
        lacks = [
            what for what, there in (("search", run.search), ("trained winner", run.winner)) if there is None
        ]
        if lacks:
            found.append(f"{run.name} has no {' and no '.join(lacks)}.")
    return found


def _table(runs: Sequence[Compared]) -> Markup:
    head = [
        ("run", ""),
        ("test accuracy", "%, 95 % interval"),
        ("measured", "ms"),
        ("predicted", "ms"),
        ("MACs", "M"),
        ("params", "k"),
        ("best baseline", "%"),
    ]
    return html.table(head, [("", [html.kept(cell) for cell in _cells(run)]) for run in runs])


def _cells(run: Compared) -> tuple[str, ...]:
    winner, best = run.winner, next((row for row in run.rows if row.best), None)
    if winner is None:
        sizes = (
            ()
            if run.network is None
            else (f"{run.network.macs / 1e6:.2f}", f"{run.network.params / 1e3:.1f}")
        )
        return (run.name, ABSENT, ABSENT, ABSENT, *(sizes or (ABSENT, ABSENT)), ABSENT)
    return (
        run.name,
        shown_share(winner.test_correct, winner.test_total),
        with_interval(winner.latency_ms),
        milliseconds(winner.predicted_ms),
        f"{winner.macs * 1e-6:.2f}",
        f"{winner.params * 1e-3:.1f}",
        ABSENT if best is None else f"{best.name}: {100 * best.test_accuracy:.1f}",
    )


def _significance(runs: Sequence[Compared]) -> list[Markup]:
    """Compares the winners' test accuracies: experiments with several seeds by their means."""
    groups = [[run for run in group if run.winner] for group in groups_of(runs)]
    repeated = [group for group in groups if len(group) > 1]
    lines = [html.paragraph(_spread(group)) for group in repeated]
    for first, second in combinations(repeated, 2):
        difference = of_means(_accuracies(first), _accuracies(second))
        lines.append(
            html.paragraph(_in_words(name_of(second), name_of(first), *difference, by="seeds (Welch's t)"))
        )
    if repeated or len({run.data for run in runs}) > 1:
        return lines
    base = runs[0].winner
    for run in runs[1:]:
        if base is not None and run.winner is not None:
            words = _in_words(run.name, runs[0].name, *of_counts(base, run.winner), by="test images")
            lines.append(html.paragraph(words))
    return lines


def _accuracies(group: Sequence[Compared]) -> list[float]:
    return [run.winner.test_accuracy for run in group if run.winner is not None]


def _spread(group: Sequence[Compared]) -> str:
    values = np.array(_accuracies(group))
    times = np.array([run.winner.image_ms for run in group if run.winner and run.winner.image_ms], np.float64)
    text = f"{name_of(group)}: {100 * values.mean():.2f} ± {100 * values.std(ddof=1):.2f} % test accuracy"
    if len(times) > 1:
        text += f" at {times.mean():.4g} ± {times.std(ddof=1):.2g} ms per image"
    return f"{text}, mean and standard deviation over seeds."


def _in_words(name: str, other: str, difference: float, half: float, *, by: str) -> str:
    text = (
        f"{name} against {other}: {100 * difference:+.2f} points (± {100 * half:.2f}, 95 % interval by {by})"
    )
    return f"{text}: {'more than chance would give' if abs(difference) > half else 'it may be chance'}."


def _drawn(runs: Sequence[Compared], drawings: Collection) -> list[Markup]:
    """Draws the first run's winner above each other one's."""
    first, *others = runs
    if first.network is None:
        return []
    groups, parts = drawings.add(first.network), []
    for other in others:
        if other.network is None:
            continue
        drawn = [
            {"name": run.name, "groups": run_groups}
            for run, run_groups in ((first, groups), (other, drawings.add(other.network)))
        ]
        caption = (
            f"{first.name} ({first.network.resolution}×{first.network.resolution} pixels) above {other.name} "
            f"({other.network.resolution}×{other.network.resolution}). Frames mark the blocks that differ."
        )
        parts.append(html.network(drawn, caption))
    return parts


def _settings(runs: Sequence[Compared]) -> list[Markup]:
    lines = differing(runs)
    if not lines:
        return [html.paragraph("Nothing.")]
    head = [("setting", ""), *((run.name, "") for run in runs)]
    return [html.table(head, [("", (name, *values)) for name, values in lines], texts=1 + len(runs))]
