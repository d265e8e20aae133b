"""The page's section on the latency table: its content and its error."""

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
    """Returns the word for an unmeasured latency."""
    return "estimated" if estimated else "predicted"


def latency(run_dir: Path) -> list[str]:
    """Shows predicted against measured latency, and the table's error on unseen networks."""
    table = read_latency_table(run_dir)
    if table is None:
        command = f"nas table run_dir={run_dir.as_posix()}"
        return [html.missing("Not available yet; to measure one, run", command)]
    rows = read_table(run_dir) if (run_dir / RESULTS).is_file() else []
    if not table.probes and not any(row.latency_ms and row.predicted_ms for row in rows):
        return [html.paragraph(about(table)), *_error(table)]
    title = f"{kind_of(estimated=is_estimated(table)).capitalize()} against measured latency"
    svg = to_svg(draw_latency(table, rows), name="latency", title=title)
    has_measurements = any(row.latency_ms for row in rows)
    caption = " ".join([about(table), *(_elsewhere(table, run_dir) if has_measurements else [])])
    return [html.figure(svg, caption), *_error(table)]


def _elsewhere(table: LatencyTable, run_dir: Path) -> list[str]:
    """Notes exported files that were measured on another machine than the table's."""
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


def about(table: LatencyTable) -> str:
    """Describes the table, its device and its blocks."""
    device = table.device
    where = f"{device.machine or device.name}, {device.runtime} {device.runtime_version}".strip()
    text = (
        f"Table {table.name}: {table.model.about()} on {where}, {device.precision}, batch {device.batch}, "
        f"threads {device.threads}."
    )
    if table.disturbed:
        text += f" The measurement was disturbed: {table.disturbed}."
    return f"{text} Estimated blocks were not measured." if is_estimated(table) else text


def _error(table: LatencyTable) -> list[str]:
    if table.accuracy is None:
        return [html.paragraph("The table's error on unseen networks is unknown.")]
    accuracy = table.accuracy
    plain = "plain sum of its blocks" if table.costs else "the similar device's table, scaled"
    lines = [
        ("the table", accuracy.table),
        (plain, accuracy.uncorrected),
        ("noise floor: one half of the rounds against the other", accuracy.noise_floor),
        ("a line through MACs", accuracy.macs),
    ]
    head = [
        ("", ""),
        ("mean error", "%"),
        ("within 5 %", "% of networks"),
        ("within 10 %", "% of networks"),
        ("rank correlation", "Spearman"),
        ("rank correlation", "Kendall"),
        ("within bands of ± 10 %", "Spearman"),
    ]
    kind = "cross-validated" if accuracy.cross_validated else "not used for fitting"
    rows = [("", (name, *_figures(item))) for name, item in lines if item is not None]
    return [
        html.paragraph(f"Error on {accuracy.networks} whole networks, {kind}:"),
        html.table(head, rows),
    ]


def _figures(item: Figures) -> tuple[str, ...]:
    shares = (item.mape, item.within_5, item.within_10)
    bands = "–" if item.spearman_in_bands is None else f"{item.spearman_in_bands:.3f}"
    ranks = (f"{item.spearman:.3f}", f"{item.kendall:.3f}", bands)
    return (f"{100 * shares[0]:.1f}", *(f"{100 * share:.0f}" for share in shares[1:]), *ranks)
