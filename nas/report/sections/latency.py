"""The latency table: its content, its error, and predicted against measured latency of whole networks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nas.blocks import parse_key
from nas.deploy.manifest import MANIFEST, read_manifest
from nas.files import fields_of, read_json
from nas.latency import Figures, LatencyTable
from nas.latency.costs.sustained import FILE, Sustained
from nas.report import html
from nas.report.files import read_latency_table
from nas.report.page.charts import Chart, Line, Points
from nas.report.results import Row
from nas.report.sections.base import Run
from nas.report.sections.result import LOOKS

if TYPE_CHECKING:
    from markupsafe import Markup

Pairs = list[tuple[float, float]]


def kind_of(*, estimated: bool) -> str:
    """Returns the word for an unmeasured latency."""
    return "estimated" if estimated else "predicted"


def latency(run: Run) -> list[Markup]:
    """Shows predicted against measured latency, and the table's error on unseen networks."""
    table = read_latency_table(run.folder)
    if table is None:
        return []
    rows, error = run.rows, [*_error(table), *_sustained(run.folder)]
    if not table.probes and not any(row.latency_ms and row.predicted_ms for row in rows):
        return [html.paragraph(about(table)), *error]
    has_measurements = any(row.latency_ms for row in rows)
    caption = " ".join([about(table), *(_elsewhere(table, run.folder) if has_measurements else [])])
    return [html.chart(predicted_against_measured(table, rows), caption), *error]


def predicted_against_measured(table: LatencyTable, rows: Sequence[Row] = ()) -> Chart:
    """Returns the chart of the networks used for the table's fit and error, and of the exported ones."""
    fitted, held_out = whole_networks(table, "correction"), whole_networks(table, "validation")
    exported = [row for row in rows if row.latency_ms is not None and row.predicted_ms is not None]
    everything = [value for pair in (*fitted, *held_out, *map(_pair, exported)) for value in pair]
    ends = [min(everything, default=0.0) * 0.92, max(everything, default=1.0) * 1.08]
    unit = table.device.latency_unit
    return Chart(
        title=f"{kind_of(estimated=is_estimated(table)).capitalize()} against measured latency",
        x=f"{'estimated' if is_estimated(table) else 'predicted'} latency ({unit})",
        y=f"measured latency ({unit})",
        layers=[
            Line(
                name="within ± 5 %",
                x=[*ends, *reversed(ends)],
                y=[*(0.95 * end for end in ends), *(1.05 * end for end in reversed(ends))],
                colour="ink",
                fill=True,
            ),
            Line(name="", x=ends, y=ends, colour="soft"),
            _networks("fitted on", fitted, unit, hollow=True),
            _networks("held out", held_out, unit, hollow=False),
            *(_exported(role, exported, unit) for role in dict.fromkeys(row.role for row in exported)),
        ],
        height=380,
    )


def _networks(name: str, pairs: Pairs, unit: str, *, hollow: bool) -> Points:
    return Points(
        name=name,
        x=[predicted for predicted, _ in pairs],
        y=[measured for _, measured in pairs],
        colour="kp" if hollow else "k0",
        hollow=hollow,
        tips=[_tip(name, pair, unit) for pair in pairs],
    )


def _exported(role: str, rows: Sequence[Row], unit: str) -> Points:
    own = [row for row in rows if row.role == role]
    colour, marker = LOOKS[role]
    return Points(
        name=f"exported {role}",
        x=[_pair(row)[0] for row in own],
        y=[_pair(row)[1] for row in own],
        colour=colour,
        marker=marker,
        size=18 if role == "winner" else 10,
        tips=[_tip(row.name, _pair(row), unit) for row in own],
    )


def _tip(name: str, pair: tuple[float, float], unit: str) -> str:
    predicted, measured = pair
    error = f"{100 * (measured / predicted - 1):+.1f} %"
    return f"{name}\n{predicted:.4g} {unit} predicted, {measured:.4g} measured ({error})"


def _pair(row: Row) -> tuple[float, float]:
    assert row.predicted_ms is not None
    assert row.latency_ms is not None
    return row.predicted_ms, row.latency_ms.value


def is_estimated(table: LatencyTable) -> bool:
    """Returns whether any of the table's costs is an estimate."""
    return any(cost.estimated for cost in table.costs.values())


def whole_networks(table: LatencyTable, role: str) -> Pairs:
    """Returns predicted and measured ms of a role's whole networks, if the table can predict them."""
    records = [record for record in table.probes if record.role == role]
    recorded = [
        (record.predicted_ms, record.mean_ms) for record in records if record.predicted_ms is not None
    ]
    chains = [(tuple(map(parse_key, record.blocks)), record.mean_ms) for record in records if record.blocks]
    predictable = [(blocks, ms) for blocks, ms in chains if not table.model.missing(blocks)]
    return recorded or [(table.predict_blocks(blocks), ms) for blocks, ms in predictable]


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


def _sustained(run_dir: Path) -> list[Markup]:
    """States what minutes of load changed, if ``nas table`` has measured it."""
    path = run_dir / "table" / FILE
    if not path.is_file():
        return []
    with fields_of(path, remedy="measure the table again: nas table"):
        return [html.paragraph(f"{Sustained.from_dict(read_json(path)).about().capitalize()}.")]


def _error(table: LatencyTable) -> list[Markup]:
    if table.accuracy is None:
        return [html.paragraph("The table's error on unseen networks is unknown.")]
    accuracy = table.accuracy
    plain = "plain sum of its blocks" if table.costs else "the similar device's table, scaled"
    lines = [
        ("the table", accuracy.table),
        (plain, accuracy.uncorrected),
        ("noise floor: half of the measurements against the other half", accuracy.noise_floor),
        ("a line through MACs", accuracy.macs),
    ]
    head = [
        ("", ""),
        ("mean error", "%"),
        ("within 5\u00a0%", "% of networks"),
        ("within 10\u00a0%", "% of networks"),
        ("rank correlation", "Spearman"),
        ("rank correlation", "Kendall"),
        ("within bands of ±\u00a010\u00a0%", "Spearman"),
    ]
    kind = "cross-validated" if accuracy.cross_validated else "not used for fitting"
    hint = " Rank correlations of so few are no more than a hint." if accuracy.networks < _FEW else ""
    rows = [("", (name, *_figures(item))) for name, item in lines if item is not None]
    if all(row[-1] == _NONE for _, row in rows):  # too few networks of similar latency
        head, rows = head[:-1], [(mark, row[:-1]) for mark, row in rows]
    return [
        html.paragraph(f"Error on {accuracy.networks} whole networks, {kind}.{hint}"),
        html.table(head, rows),
    ]


_NONE = "–"
_FEW = 20


def _figures(item: Figures) -> tuple[str, ...]:
    shares = (item.mape, item.within_5, item.within_10)
    bands = _NONE if item.spearman_in_bands is None else f"{item.spearman_in_bands:.3f}"
    ranks = (f"{item.spearman:.3f}", f"{item.kendall:.3f}", bands)
    return (f"{100 * shares[0]:.1f}", *(f"{100 * share:.0f}" for share in shares[1:]), *ranks)
