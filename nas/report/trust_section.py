"""The page's section on the supernet's ranking."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas.errors import UserError
from nas.files import read_json
from nas.report import html
from nas.report.figures.style import BLUE, GREY, SKY, to_svg
from nas.report.figures.trust import TrustGroup, TrustPoint, draw_trust
from nas.report.files import read_csv
from nas.report.results import TRUST

TRUST_ROWS = Path("trust") / "networks.csv"

_LOOKS = {"random": (GREY, "o"), "smallest": (SKY, "v"), "largest": (BLUE, "^")}


def trust(run_dir: Path) -> list[str]:
    """Shows the results of ``nas trust``.

    Raises:
        UserError: If a file cannot be read.
    """
    value, rows = read_json(run_dir / TRUST), read_csv(run_dir / TRUST_ROWS)
    try:
        groups = [
            TrustGroup(name=role, colour=colour, marker=marker, points=_points(rows, role))
            for role, (colour, marker) in _LOOKS.items()
        ]
        svg = to_svg(draw_trust(groups), name="trust", title="Stand-alone against inherited accuracy")
        return [html.figure(svg, _caption(value)), _table(value)]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{run_dir / TRUST.parent} cannot be read ({error!r}); make it again: nas trust"
        ) from None


def _points(rows: list[dict[str, str]], role: str) -> list[TrustPoint]:
    return [
        TrustPoint(
            inherited_correct=int(row["inherited_correct"]),
            alone_correct=int(row["alone_correct"]),
            images=int(row["images"]),
        )
        for row in rows
        if row["role"] == role
    ]


def _caption(value: Mapping[str, Any]) -> str:
    text = (
        f"{value['agreement']['all']['networks']} networks, each trained alone for "
        f"{value['training']['epochs']} epochs; both accuracies on the same {value['image_count']} "
        f"{value['images']} images. Bars: 95 % intervals of an accuracy."
    )
    different = value["differs_from_the_supernet"]
    return f"{text} But {'; '.join(different)}." if different else text


def _table(value: Mapping[str, Any]) -> str:
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


def _interval(value: Mapping[str, float | None]) -> str:
    if value["value"] is None:
        return "unknown"
    return f"{value['value']:.2f} ({value['low']:.2f} to {value['high']:.2f})"
