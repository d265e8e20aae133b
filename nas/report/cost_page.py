"""The page that ``nas cost`` writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from nas.files import write_text
from nas.report import html
from nas.report.cost import HEADINGS, NetworkCost, OpCost, rows, summary
from nas.report.drawing import LEGEND
from nas.report.drawing.collection import Collection
from nas.report.figures.roofline import draw_roofline
from nas.report.figures.style import save
from nas.report.page.roofline import roofline
from nas.report.page.template import json_text, page, render

if TYPE_CHECKING:
    from markupsafe import Markup


def write_cost(cost: NetworkCost, folder: Path) -> tuple[Path, ...]:
    """Writes ``cost.html``, and ``roofline.svg`` if the device's peaks are known.

    Returns:
        The files.
    """
    page = folder / "cost.html"
    write_text(page, cost_page(cost))
    if cost.ridge is None:
        return (page,)
    picture = folder / "roofline.svg"
    save(draw_roofline(cost), picture)
    return (page, picture)


def cost_page(cost: NetworkCost) -> str:
    """Returns a self-contained page: drawing, summary, roofline, blocks and operations."""
    title = f"Cost of {cost.name} on {cost.device.name}"
    drawings = Collection()
    body = render("cost.html", title=title, elements=list(_body(cost, drawings)))
    data = render("data.html", data={"drawings": json_text(drawings.to_dict())})
    return page(title, body + data)


def _body(cost: NetworkCost, drawings: Collection) -> Iterator[Markup]:
    yield from (html.paragraph(line) for line in summary(cost))
    drawn = {"name": cost.name, "groups": drawings.add(cost.network)}
    yield html.network([drawn], LEGEND)
    if cost.ridge is not None:
        yield html.heading("Roofline")
        caption = (
            "Every operation with FLOPs, at the highest rate that the device allows. The size of a mark is "
            "its share of the estimated time."
        )
        yield html.chart(roofline(cost), caption)
    yield html.heading("Blocks")
    lines = rows(cost)
    yield html.table(HEADINGS, [("winner" if line[0] == "total" else "", line) for line in lines], texts=2)
    yield html.heading("Operations")
    yield html.table(_OP_HEADINGS, [("", _op_row(place, op)) for place, op in _placed_ops(cost)], texts=2)
    yield from _sources(cost)


_OP_HEADINGS = (
    ("block", ""),
    ("operation", ""),
    ("input", ""),
    ("output", ""),
    ("MACs", "million"),
    ("moved", "KB"),
    ("intensity", "FLOP/byte"),
    ("time, estimated", "µs"),
    ("bound by", ""),
)


def _placed_ops(cost: NetworkCost) -> Iterator[tuple[str, OpCost]]:
    for block in cost.blocks:
        yield from ((str(block.place), op) for op in block.ops)


def _op_row(place: str, cost: OpCost) -> tuple[str, ...]:
    op = cost.op
    shapes = (f"{s.channels}×{s.height}×{s.width}" for s in (op.in_shape, op.out_shape))
    bound = {None: "–", True: "memory", False: "compute"}[cost.memory_bound]
    time = "–" if cost.estimated_ms is None else f"{1e3 * cost.estimated_ms:,.2f}"
    return (
        place,
        op.names,
        *shapes,
        f"{op.macs / 1e6:,.3f}",
        f"{cost.bytes / 1e3:,.1f}",
        f"{cost.intensity:,.2f}",
        time,
        bound,
    )


def _sources(cost: NetworkCost) -> Iterator[Markup]:
    if cost.device.sources:
        yield html.heading("Sources")
        for name, source in cost.device.sources:
            yield html.paragraph(f"{name}: {source}", kind="note")
