"""What ships: the winner's files, and every file that was exported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas.deploy.manifest import Artefact, read_manifest
from nas.hardware import latency_unit
from nas.report import html
from nas.report.sections.base import Run
from nas.report.shipped import DEPLOYED, accuracy, deployment, recommended
from nas.report.table import ABSENT, milliseconds

if TYPE_CHECKING:
    from markupsafe import Markup

_HEAD = [
    ("file", ""),
    ("format", ""),
    ("size", "kB"),
    ("parity error", "of the largest output"),
    ("SQNR", "dB"),
    ("same class", "%"),
    ("test accuracy", "%, 95 % interval"),
]


def artefacts(run: Run) -> list[Markup]:
    """Shows the exported files."""
    items = read_manifest(run.folder / DEPLOYED.parent)
    unit = latency_unit(max((item.batch for item in items), default=1))
    head = [*_HEAD, ("measured", unit), ("SHA-256", "")]
    whole = html.table(head, [("", _cells(item)) for item in items], texts=2)
    notes = [html.paragraph(f"{item.file}: {item.note}.") for item in items if item.note]
    shipped = deployment(run.folder)
    if shipped is None:
        return [whole, *notes]
    choice = recommended(run.folder)
    ship = "" if choice is None else choice[0].file
    rows = [("winner" if row[0] == ship else "", row) for row in shipped.rows]
    table = html.table(shipped.headings, rows)
    return [
        *([] if choice is None else [html.paragraph(choice[1])]),
        html.heading(shipped.title, level=3),
        table,
        *notes,
        html.opened_on_click("All exported files, with their agreement and hashes", whole),
    ]


def _cells(item: Artefact) -> tuple[str, ...]:
    parity, latency = item.parity, item.latency_ms
    return (
        item.file,
        item.format,
        f"{item.size_bytes * 1e-3:.1f}",
        ABSENT if parity is None else f"{parity.largest_relative_error:.1e}",
        ABSENT if parity is None or parity.sqnr_db is None else f"{parity.sqnr_db:.1f}",
        ABSENT if parity is None else f"{100 * parity.top1_agreement:.1f}",
        accuracy(item),
        "not measured" if latency is None else milliseconds(latency.value),
        item.sha256[:16] + "…",
    )
