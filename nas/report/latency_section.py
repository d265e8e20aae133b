"""The part of the page on the latency table: what it holds, and how far it can be trusted."""

from __future__ import annotations

from pathlib import Path

from nas.deploy.manifest import MANIFEST, read_manifest
from nas.latency import Figures, LatencyTable
from nas.report import html
from nas.report.figures import draw_latency
from nas.report.figures.latency import is_estimated
from nas.report.figures.style import to_svg
from nas.report.files import read_latency_table
from nas.report.results import RESULTS, read_table


def kind_of(*, estimated: bool) -> str:
    """The word for a latency that was not measured itself."""
    return "estimated" if estimated else "predicted"


def latency(run_dir: Path) -> list[str]:
    """Predicted against measured, with the table's error on networks that it has not seen."""
    table = read_latency_table(run_dir)
    if table is None:
        return [html.missing("Not there yet; it is measured by", f"nas table run_dir={run_dir.as_posix()}")]
    rows = read_table(run_dir) if (run_dir / RESULTS).is_file() else []
    if not table.probes and not any(row.latency_ms and row.predicted_ms for row in rows):
        return [html.paragraph(_about(table)), *_error(table)]
    title = f"{kind_of(estimated=is_estimated(table)).capitalize()} against measured latency"
    svg = to_svg(draw_latency(table, rows), name="latency", title=title)
    caption = " ".join([_about(table), *_elsewhere(table, run_dir)])
    return [html.figure(svg, caption), *_error(table)]


def _elsewhere(table: LatencyTable, run_dir: Path) -> list[str]:
    """Says so if the exported files were measured on another machine than the table is for."""
    if not (run_dir / "deploy" / MANIFEST).is_file():
        return []
    measured = {
        str(item.device.get("machine", "an unknown machine"))
        for item in read_manifest(run_dir / "deploy")
        if item.latency_ms is not None
    }
    others = sorted(measured - {table.device.machine})
    if not others:
        return []
    return [f"The exported files were measured on {' and '.join(others)}, not on {table.device.name}."]


def _about(table: LatencyTable) -> str:
    """What the table is for, and how many of its blocks were measured."""
    device, blocks = table.device, f"{len(table.costs)} blocks"
    runtime = f"{device.runtime} {device.runtime_version}".strip()
    text = (
        f"Table {table.name}: {blocks} on {device.machine or device.name}, {runtime}, {device.precision}, "
        f"batch {device.batch}, threads {device.threads}."
    )
    if not (estimates := sum(cost.estimated for cost in table.costs.values())):
        return text
    return f"{text} {estimates} of the {blocks} are estimated by the device's roofline, not measured."


def _error(table: LatencyTable) -> list[str]:
    if table.accuracy is None:
        return [html.paragraph("The table's error on networks that it has not seen is unknown.")]
    judged = table.accuracy
    lines = [
        ("the table", judged.table),
        ("plain sum of its blocks", judged.uncorrected),
        ("noise floor: half of the rounds against the other", judged.noise_floor),
        ("a line through MACs", judged.macs),
    ]
    head = [
        ("", ""),
        ("mean error", "%"),
        ("within 5 %", "% of networks"),
        ("within 10 %", "% of networks"),
        ("rank correlation", ""),
    ]
    text = f"Error on {judged.networks} whole networks that the correction has not seen:"
    return [html.paragraph(text), html.table(head, [("", (name, *_figures(item))) for name, item in lines])]


def _figures(item: Figures) -> tuple[str, ...]:
    shares = (item.mape, item.within_5, item.within_10)
    return (f"{100 * shares[0]:.1f}", *(f"{100 * share:.0f}" for share in shares[1:]), f"{item.spearman:.3f}")
