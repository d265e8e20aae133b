"""The page that ``nas cost`` writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nas.files import write_text
from nas.report import html
from nas.report.cost import HEADINGS, NetworkCost, OpCost, rows, summary
from nas.report.figures.roofline import draw_roofline
from nas.report.figures.style import save, to_svg


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
    """Returns a self-contained page: summary, roofline, blocks and operations."""
    title = f"Cost of {cost.name} on {cost.device.name}"
    return html.page(title, _body(title, cost))


def _body(title: str, cost: NetworkCost) -> Iterator[str]:
    yield html.heading(title, level=1)
    yield from (html.paragraph(line) for line in summary(cost))
    if cost.ridge is not None:
        yield html.heading("Roofline")
        svg = to_svg(draw_roofline(cost), name="roofline", title=f"Roofline of {cost.device.name}")
        yield html.figure(
            svg,
            "Every operation with FLOPs, at the highest rate that the device allows. The size of a mark is "
            "its share of the estimated time.",
        )
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


def _sources(cost: NetworkCost) -> Iterator[str]:
    if cost.device.sources:
        yield html.heading("Sources")
        for name, source in cost.device.sources:
            yield html.paragraph(f"{name}: {source}", kind="note")
