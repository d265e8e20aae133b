"""What the supernet's ranking is worth: inherited against stand-alone accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.files import fields_of, read_csv, read_json
from nas.report import html
from nas.report.page.charts import Chart, Line, Points
from nas.report.results import TRUST
from nas.report.sections.base import Run
from nas.statistics import wilson

if TYPE_CHECKING:
    from markupsafe import Markup

TRUST_ROWS = Path("trust") / "networks.csv"

_LOOKS = {
    "random": ("k0", "circle"),
    "smallest": ("k4", "inverted_triangle"),
    "largest": ("k2", "triangle"),
}


def trust(run: Run) -> list[Markup]:
    """Shows the results of ``nas trust``.

    Raises:
        UserError: If a file cannot be read.
    """
    remedy = "make it again: nas trust"
    value, rows = read_json(run.folder / TRUST), read_csv(run.folder / TRUST_ROWS, remedy=remedy)
    with fields_of(run.folder / TRUST.parent, remedy=remedy):
        chart = html.chart(inherited_against_alone(rows), _caption(value))
        return [html.beside([chart, _table(value)]), *_beyond_macs(value), *_calibrated(value)]


def inherited_against_alone(rows: Sequence[Mapping[str, str]]) -> Chart:
    """Returns the chart of the networks; bars are the 95 % intervals by the number of images."""
    groups = [_points(role, [row for row in rows if row["role"] == role]) for role in _LOOKS]
    values = [value for group in groups for value in (*group.x, *group.y)]
    ends = [min(values, default=0.0), max(values, default=100.0)]
    return Chart(
        title="Stand-alone against inherited accuracy",
        x="accuracy with the supernet's weights (%)",
        y="accuracy when trained alone (%)",
        layers=[Line(name="equal", x=ends, y=ends, colour="soft", dash=True), *groups],
        height=380,
    )


def _points(role: str, rows: Sequence[Mapping[str, str]]) -> Points:
    counts = [(int(row["inherited_correct"]), int(row["alone_correct"]), int(row["images"])) for row in rows]
    colour, marker = _LOOKS[role]
    return Points(
        name=role,
        x=[100 * inherited / images for inherited, _, images in counts],
        y=[100 * alone / images for _, alone, images in counts],
        colour=colour,
        marker=marker,
        size=10,
        x_bars=[_bar(inherited, images) for inherited, _, images in counts],
        y_bars=[_bar(alone, images) for _, alone, images in counts],
        tips=[
            f"{row['code']}\n{100 * inherited / images:.1f} % inherited, {100 * alone / images:.1f} % alone"
            for row, (inherited, alone, images) in zip(rows, counts, strict=True)
        ],
    )


def _bar(correct: int, images: int) -> tuple[float, float]:
    low, high = wilson(correct, images)
    return 100 * low, 100 * high


def _caption(value: Mapping[str, Any]) -> str:
    text = (
        f"{value['agreement']['all']['networks']} networks, each trained alone for "
        f"{value['training']['epochs']} epochs; both accuracies on the same {value['image_count']} "
        f"{value['images']} images. Bars: 95 % intervals of an accuracy."
    )
    different = value["differs_from_the_supernet"]
    return f"{text} But {'; '.join(different)}." if different else text


def _table(value: Mapping[str, Any]) -> Markup:
    agreements = value["agreement"]
    top = value["top"]
    lines = {
        "Kendall τ": "kendall_tau",
        "Spearman": "spearman",
        f"precision at {top}": "precision_at_top",
        "gain by training alone, points": "gap_points",
        "Kendall τ of MACs": "macs_kendall_tau",
    }
    head = [("", "95 % intervals over networks"), ("all", ""), ("without smallest and largest", "")]
    cells = ("all", "without_extremes")
    return html.table(
        head,
        [("", (name, *(_interval(agreements[part][key]) for part in cells))) for name, key in lines.items()],
    )


def _beyond_macs(value: Mapping[str, Any]) -> list[Markup]:
    """Returns the supernet's error by cost, and what it adds to MACs; nothing for older files."""
    if "thirds" not in value:
        return []
    head = [("networks", ""), ("million MACs", ""), ("gain by training alone, points", "95 % intervals")]
    thirds = [
        (
            "",
            (
                f"{third['name']}, {third['networks']}",
                f"{third['macs'][0] / 1e6:.3g} to {third['macs'][1] / 1e6:.3g}",
                _interval(third["gap_points"]),
                _interval(third["kendall_tau"]),
            ),
        )
        for third in value["thirds"]
    ]
    beyond = value["beyond_macs"]
    pairs = [
        (
            "",
            (
                name,
                str(beyond[key]["pairs"]),
                *(_interval(beyond[key][each]) for each in ("kendall_tau", "macs_kendall_tau", "advantage")),
            ),
        )
        for name, key in (("all", "all"), (f"MACs within ± {100 * beyond['band']:.0f} %", "equal_macs"))
    ]
    pair_head = [("pairs of networks", ""), ("number", ""), ("Kendall τ", "of the supernet")]
    return [
        html.table([*head, ("Kendall τ", "")], thirds),
        html.table([*pair_head, ("Kendall τ of MACs", ""), ("advantage", "of the supernet")], pairs),
    ]


def _calibrated(value: Mapping[str, Any]) -> list[Markup]:
    """Returns what supernet and costs predict together; nothing for older files or too few networks."""
    found = value.get("calibrated")
    if found is None:
        return []
    rows = {
        "the supernet alone": (found["supernet"], None),
        "MACs alone": (found["macs"], None),
        "both and parameters, networks left out one by one": (found["one_out"], found["error_points"]),
        f"both and parameters, left out by {found['bands']} bands of MACs": (
            found["band_out"],
            found["band_error_points"],
        ),
    }
    table = html.table(
        [("ranked by", ""), ("Kendall τ", "95 % intervals over networks"), ("error", "points")],
        [
            ("", (name, _interval(tau), "–" if error is None else f"{error:.1f}"))
            for name, (tau, error) in rows.items()
        ],
    )
    shares = ", ".join(f"{name} {share:.0%}" for name, share in found["shares"].items())
    note = (
        "The last two lines predict the accuracy of training alone from the supernet's accuracy, MACs and "
        "parameters, always by other networks than the predicted ones. Left out by bands, the τ minus that "
        f"of MACs is {_interval(found['advantage'])}. Probability that a quantity matters: {shares}."
    )
    return [table, html.paragraph(note, kind="note")]


def _interval(value: Mapping[str, float | None]) -> str:
    if value["value"] is None:
        return "unknown"
    return f"{value['value']:.2f} ({value['low']:.2f} to {value['high']:.2f})"
