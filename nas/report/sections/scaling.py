"""The scaling: what was tried for the budget, the family, and what changed since the search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nas.files import fields_of, read_json
from nas.hardware import latency_unit
from nas.network import NetworkSpec, read_network
from nas.report import html
from nas.report.files import SCALE, WINNER
from nas.report.page.charts import Chart, Line, Points
from nas.report.sections.base import Run
from nas.report.sections.latency import kind_of
from nas.report.sections.search import ESTIMATES
from nas.report.table import milliseconds

if TYPE_CHECKING:
    from markupsafe import Markup


def scaling(run: Run) -> list[Markup]:
    """Shows the scaled networks."""
    value = read_json(run.folder / SCALE)
    with fields_of(run.folder / SCALE, remedy="make it again: nas scale"):
        return [*_scaling(value), *_family(value), *_compared(run, value)]


def _scaling(value: dict[str, Any]) -> list[Markup]:
    budget, kind = value["latency_ms"], kind_of(estimated=value["estimated"])
    unit = latency_unit(value.get("batch", 1))  # older results have no batch
    text = f"φ = {value['phi']:.3g}: {kind} {milliseconds(value['predicted_ms'])} {unit}"
    text += "." if budget is None else f" for the budget of the exported file, {milliseconds(budget)} {unit}."
    tried = [(item["phi"], item["predicted_ms"]) for item in value["tried"]]
    chosen = (value["phi"], value["predicted_ms"])
    ends = [phi for phi, _ in (*tried, chosen)]
    layers: list[Points | Line] = [
        _points("tried", tried, "kp", unit),
        _points("fallbacks", _pairs(value.get("fallbacks", ())), "k4", unit, marker="diamond"),
        _points("chosen", [chosen], "mark", unit, marker="star", size=20),
    ]
    if budget is not None:
        layers.insert(
            0,
            Line(
                name="budget of the exported file",
                x=[min(ends), max(ends)],
                y=[budget] * 2,
                colour="ink",
                dash=True,
            ),
        )
    chart = Chart(title="Latency against φ", x="φ", y=f"{kind} latency ({unit})", layers=layers, height=300)
    note = ESTIMATES if value["estimated"] else ""
    rows = [("", (f"{phi:.3g}", milliseconds(ms))) for phi, ms in tried]
    table = html.table([("φ", ""), (kind, unit)], rows)
    return [
        html.paragraph(f"{text}{note}"),
        html.chart(chart, "The networks that were tried, by their equivalent φ."),
        html.opened_on_click(f"All {len(rows)} that were tried", table),
    ]


def _pairs(entries: Any) -> list[tuple[float, float]]:
    return [(each["phi"], each["predicted_ms"]) for each in entries]


def _points(
    name: str,
    pairs: list[tuple[float, float]],
    colour: str,
    unit: str,
    marker: str = "circle",
    size: float = 9,
) -> Points:
    return Points(
        name=name,
        x=[phi for phi, _ in pairs],
        y=[ms for _, ms in pairs],
        colour=colour,
        marker=marker,
        size=size,
        tips=[f"{name}: φ = {phi:.3g}\n{milliseconds(ms)} {unit}" for phi, ms in pairs],
    )


def _family(value: dict[str, Any]) -> list[Markup]:
    members = [(each, NetworkSpec.from_dict(each["network"])) for each in value.get("family", ())]
    if not members:
        return []
    unit = latency_unit(value.get("batch", 1))
    head = [("φ", ""), ("resolution", ""), ("MACs", "M"), ("params", "k"), ("predicted", unit)]
    rows = [
        (
            "",
            (
                f"{each['phi']:.3g}",
                str(network.resolution),
                f"{network.macs * 1e-6:.2f}",
                f"{network.params * 1e-3:.1f}",
                milliseconds(each["predicted_ms"]),
            ),
        )
        for each, network in members
    ]
    return [html.heading("The family", level=3), html.table(head, rows)]


def _compared(run: Run, value: dict[str, Any]) -> list[Markup]:
    """Shows the search's winner above the scaled one, with what the scaling changed."""
    if not run.has(WINNER):
        return []
    before, after = read_network(run.folder / WINNER), NetworkSpec.from_dict(value["network"])
    if before.blocks == after.blocks:
        return []
    drawn = [
        {"name": name, "groups": run.drawings.add(network)}
        for name, network in (("search", before), ("scaled", after))
    ]
    caption = (
        f"The search's choice ({before.resolution}×{before.resolution} pixels, {before.macs * 1e-6:.2f} "
        f"million MACs) above the scaled one ({after.resolution}×{after.resolution}, "
        f"{after.macs * 1e-6:.2f} million). "
        "Frames mark blocks that the scaling changed, dashed ones those that it added."
    )
    return [html.network(drawn, caption)]
