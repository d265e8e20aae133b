"""The winner: its drawing, where its time goes block by block, and the device's roofline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas.hardware import Device
from nas.latency import LatencyTable
from nas.network import NetworkSpec
from nas.report import html
from nas.report.cost import has_roofline, network_cost
from nas.report.drawing import LEGEND
from nas.report.files import read_latency_table, winner_network
from nas.report.page.roofline import roofline
from nas.report.sections.base import Run
from nas.report.sections.latency import kind_of
from nas.report.table import milliseconds

if TYPE_CHECKING:
    from markupsafe import Markup


def winner(run: Run) -> list[Markup]:
    """Shows the winner's blocks and their times."""
    choice = winner_network(run.folder)
    if choice is None:
        return []
    description, network = choice
    caption = (
        f"{description[0].upper()}{description[1:]}: {len(network.blocks)} blocks, "
        f"{network.macs * 1e-6:.2f} million MACs, {network.params * 1e-3:.1f} thousand parameters, "
        f"resolution {network.resolution}. {LEGEND}"
    )
    drawn = {"name": description, "groups": run.drawings.add(network)}
    table = read_latency_table(run.folder)
    parts = [html.network([drawn], caption)]
    return (
        parts if table is None else [*parts, *_time(run, network, table), *_roofline(network, table.device)]
    )


def _time(run: Run, network: NetworkSpec, table: LatencyTable) -> list[Markup]:
    if missing := table.missing(network):
        text = f"The latency table {table.name} lacks {len(missing)} of its blocks; to measure them, run"
        return [html.missing(text, run.command("nas table"))]
    parts = table.model.parts(network.blocks)
    if parts is None:
        return [html.paragraph(f"The latency table {table.name} has whole networks only, not their blocks.")]
    ms, kind = table.predict(network), kind_of(estimated=table.is_estimate(network))
    classes = run.drawings.kinds.classes  # the colours of the drawing above
    lines = [
        (str(place), classes[block.KIND], part)
        for (place, block), part in zip(network.placed_blocks, parts, strict=True)
    ]
    lines.append(("once per network", "kp", ms - sum(parts)))
    longest = max(part for *_, part in lines)
    rows = [
        (name, colour, 100 * max(part, 0) / longest, f"{1e3 * part:.2f} µs, {100 * part / ms:.0f} %")
        for name, colour, part in lines
    ]
    text = (
        f"Its {milliseconds(ms)} {table.device.latency_unit} by block, {kind} by the latency table "
        f"{table.name}; shares of the total."
    )
    return [html.heading("Where its time goes", level=3), html.bars(rows), html.paragraph(text, kind="note")]


def _roofline(network: NetworkSpec, device: Device) -> list[Markup]:
    if not has_roofline(device):
        return []
    chart = roofline(network_cost(network, name="the winner", device=device))
    caption = (
        "Each operation at the highest rate that the device's peaks allow (estimated, not measured). A "
        "mark's size is its share of the estimated time. Left of the bend, memory is the limit."
    )
    return [html.heading(f"Roofline of {device.name}", level=3), html.chart(chart, caption)]
