"""The sections of the page, each made from one step's files; without them, it names the command to run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from nas.deploy.manifest import MANIFEST, Artefact, read_manifest
from nas.errors import UserError
from nas.files import read_json
from nas.hardware import latency_unit
from nas.report import html
from nas.report.classes_section import classes
from nas.report.drawing import Drawn, draw
from nas.report.figures import (
    draw_comparison,
    draw_hypervolume,
    draw_pareto,
    draw_time,
    draw_training,
)
from nas.report.figures.style import to_svg
from nas.report.files import (
    HISTORY,
    PARETO,
    SCALE,
    TRIALS,
    WINNER,
    read_csv,
    read_latency_table,
    read_search,
    winner_network,
)
from nas.report.latency_section import kind_of, latency
from nas.report.records import ORIGINS, is_outdated
from nas.report.results import RESULTS, TRUST, Row, read_table
from nas.report.search_section import details, dominated, found
from nas.report.shipped import accuracy, tables
from nas.report.table import ABSENT, cells, footnote, headings, in_words, milliseconds
from nas.report.trust_section import TRUST_ROWS, trust

DEPLOYED = Path("deploy") / MANIFEST
PROVENANCE = Path("provenance.json")
CONFIG = Path("config.yaml")
ESTIMATES = " Latencies are estimated by the device's roofline, not measured."


@final
@dataclass(frozen=True, kw_only=True)
class Section:
    """A section of the page.

    Attributes:
        title: Heading of the section.
        needs: Files of the run folder that it needs.
        command: The command that makes these files.
        make: Makes its HTML for a run folder.
        optional: Whether to omit the section without its files, because its step is not part of ``nas run``.
    """

    title: str
    needs: tuple[Path, ...]
    command: str
    make: Callable[[Path], list[str]]
    optional: bool = False

    def render(self, run_dir: Path) -> list[str]:
        """Returns the section, or the command that makes it, or the reason why it cannot be shown."""
        is_there = all((run_dir / path).is_file() for path in self.needs)
        if not is_there and self.optional:
            return []
        if not is_there:
            command = f"{self.command} run_dir={run_dir.as_posix()}"
            body = [html.missing("Not available yet; to make it, run", command)]
        else:
            try:
                body = [*self._outdated(run_dir), *self.make(run_dir)]
            except UserError as error:  # one damaged file must not hide the other sections
                body = [html.paragraph(f"Cannot be shown: {error}", kind="missing")]
        return ["<section>", html.heading(self.title), *body, "</section>"]

    def _outdated(self, run_dir: Path) -> list[str]:
        """Returns a note if the previous step has been repeated since."""
        folder = self.needs[0].parts[0] if self.needs else ""
        if folder not in ORIGINS or not is_outdated(run_dir, folder):
            return []
        text = f"This is from an earlier {ORIGINS[folder][2]}; to update it, run"
        return [html.missing(text, f"{self.command} run_dir={run_dir.as_posix()}")]


def result(run_dir: Path) -> list[str]:
    """Shows the final table, and its picture once latencies are measured."""
    rows = read_table(run_dir)
    table = html.table(
        headings(rows),
        [
            (row.role if row.role == "winner" else "", line)
            for row, line in zip(rows, cells(rows), strict=True)
        ],
    )
    parts = [table, html.paragraph(footnote(rows), kind="note"), *classes(rows)]
    for each in tables(run_dir):
        parts += [
            html.heading(each.title, level=3),
            html.table(each.headings, [("", row) for row in each.rows]),
        ]
    if not any(row.latency_ms for row in rows):
        command = f"nas export run_dir={run_dir.as_posix()}"
        return [
            *parts,
            html.missing("The exported files are not measured yet; to measure them, run", command),
        ]
    svg = to_svg(draw_comparison(rows), name="comparison", title="Test accuracy against measured latency")
    caption = (
        "Networks trained in the same way. Bars: 95 % intervals. Lines join baselines of one resolution."
    )
    return [*parts, html.figure(svg, caption)]


def winner(run_dir: Path) -> list[str]:
    """Shows the winner and its time by block."""
    choice = winner_network(run_dir)
    if choice is None:
        command = f"nas search run_dir={run_dir.as_posix()}"
        return [html.missing("There is no winner yet; to find one, run", command)]
    description, network = choice
    svg = draw([Drawn(f"The blocks of {description}", network)])
    caption = (
        f"{description[0].upper()}{description[1:]}: {len(network.blocks)} blocks, "
        f"{network.macs * 1e-6:.2f} million MACs, {network.params * 1e-3:.1f} thousand parameters, "
        f"resolution {network.resolution}. Height: sides of the feature maps before and after a block. "
        "Width: channels of its output; pale, those of its widest inner layer."
    )
    return [html.figure(svg, caption, kind="strip"), *_time(run_dir)]


def _time(run_dir: Path) -> list[str]:
    table, choice = read_latency_table(run_dir), winner_network(run_dir)
    if table is None or choice is None:
        command = f"nas table run_dir={run_dir.as_posix()}"
        return [html.missing("The time by block needs a latency table; to measure one, run", command)]
    network = choice[1]
    if missing := table.missing(network):
        text = f"The latency table {table.name} lacks {len(missing)} of its blocks; to measure them, run"
        return [html.missing(text, f"nas table run_dir={run_dir.as_posix()}")]
    if table.model.parts(network.blocks) is None:
        return [html.paragraph(f"The latency table {table.name} has whole networks only, not their blocks.")]
    total, kind = milliseconds(table.predict(network)), kind_of(estimated=table.is_estimate(network))
    svg = to_svg(draw_time(network, table), name="time", title=f"{kind.capitalize()} time of each block")
    caption = (
        f"Its {total} {table.device.latency_unit} by block, {kind} by the latency table {table.name}; "
        "shares of the total."
    )
    return [html.figure(svg, caption)]


def search(run_dir: Path) -> list[str]:
    """Shows the Pareto front, the hypervolume and details of the search."""
    results = read_search(run_dir)
    cost, unit = results.cost
    note = ESTIMATES if unit and any(results.estimated) else ""
    pareto = to_svg(draw_pareto(results), name="pareto", title=f"Accuracy against {cost}")
    volume = to_svg(draw_hypervolume(results), name="hypervolume", title="Hypervolume against evaluations")
    first = f"{found(results, unit)}{note}"
    second = f"{dominated(results, unit)}: {results.hypervolume[-1]:.4g}; "
    second += (
        f"random search with the same budget: {results.random[-1]:.4g}."
        if results.random
        else "there is no control."
    )
    figures = [html.figure(pareto, first), html.figure(volume, f"{second}{note}")]
    return [*figures, *details(run_dir / WINNER.parent)]


def scaling(run_dir: Path) -> list[str]:
    """Shows the scaling coefficients that were tried."""
    value = read_json(run_dir / SCALE)
    try:
        return _scaling(value)
    except (KeyError, TypeError) as error:
        raise UserError(f"{run_dir / SCALE} cannot be read ({error!r}); make it again: nas scale") from None


def _scaling(value: dict[str, Any]) -> list[str]:
    budget, kind = value["latency_ms"], kind_of(estimated=value["estimated"])
    unit = latency_unit(value.get("batch", 1))  # older results have no batch
    text = f"φ = {value['phi']:.3g}: {kind} {milliseconds(value['predicted_ms'])} {unit}"
    text += "." if budget is None else f" for a budget of {milliseconds(budget)} {unit}."
    rows = [("", (f"{item['phi']:.3g}", milliseconds(item["predicted_ms"]))) for item in value["tried"]]
    if value["estimated"]:
        text += ESTIMATES
    return [html.paragraph(text), html.table([("φ", ""), (kind, unit)], rows)]


def training(run_dir: Path) -> list[str]:
    """Shows the supernet's training losses."""
    history = read_csv(run_dir / HISTORY)
    if not history:
        return [html.paragraph("It was taken over as others had trained it, without an epoch in this run.")]
    svg = to_svg(draw_training(history), name="training", title="Training losses of the supernet")
    return [html.figure(svg, f"Training losses over {len(history)} epochs of the sandwich rule's subnets.")]


def artefacts(run_dir: Path) -> list[str]:
    """Shows the exported files."""
    items = read_manifest(run_dir / DEPLOYED.parent)
    head = [
        ("file", ""),
        ("format", ""),
        ("size", "kB"),
        ("parity error", "of the largest output"),
        ("SQNR", "dB"),
        ("same class", "%"),
        ("test accuracy", "%, 95 % interval"),
        ("measured", latency_unit(max((item.batch for item in items), default=1))),
        ("SHA-256", ""),
    ]
    rows = [("", _artefact_cells(item)) for item in items]
    notes = [f"{item.file}: {item.note}." for item in items if item.note]
    return [html.table(head, rows, texts=2), *map(html.paragraph, notes)]


def _artefact_cells(item: Artefact) -> tuple[str, ...]:
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


def provenance(run_dir: Path) -> list[str]:
    """Shows commit, versions, hardware and configuration."""
    value = read_json(run_dir / PROVENANCE)
    if not isinstance(value, dict):
        raise UserError(f"{run_dir / PROVENANCE} is no record of a run; any command of the run makes it anew")
    parts = [_facts(value), html.folded("provenance.json", json.dumps(value, indent=2, ensure_ascii=False))]
    if (run_dir / CONFIG).is_file():
        parts.append(html.folded("config.yaml", (run_dir / CONFIG).read_text(encoding="utf-8")))
    return parts


def _facts(value: dict[str, object]) -> str:
    overrides = value.get("overrides")
    command = [
        "nas",
        str(value.get("command", "")),
        *(map(str, overrides) if isinstance(overrides, list) else ()),
    ]
    rows = [("command", " ".join(command))]
    rows += [(name, str(value[name])) for name in ("date", "seed", "platform") if name in value]
    inner = [(name, value[name]) for name in ("source", "machine") if name in value]
    rows += [
        (name, ", ".join(f"{k} {v}" for k, v in item.items()))
        for name, item in inner
        if isinstance(item, dict)
    ]
    return html.table([("what", ""), ("", "")], [("", row) for row in rows], texts=2)


SECTIONS = (
    Section(title="Result", needs=(RESULTS,), command="nas finish", make=result),
    Section(title="The winner", needs=(), command="nas search", make=winner),
    Section(title="Search", needs=(PARETO, WINNER, TRIALS), command="nas search", make=search),
    Section(title="Scaling", needs=(SCALE,), command="nas scale", make=scaling),
    Section(title="Latency table", needs=(), command="nas table", make=latency),
    Section(title="Supernet training", needs=(HISTORY,), command="nas train", make=training),
    Section(
        title="Trust in the supernet",
        needs=(TRUST, TRUST_ROWS),
        command="nas trust",
        make=trust,
        optional=True,
    ),
    Section(title="Exported files", needs=(DEPLOYED,), command="nas export", make=artefacts),
    Section(title="What was run", needs=(PROVENANCE,), command="nas run", make=provenance),
)


def summary(rows: list[Row]) -> str:
    """Summarises the outcome in a sentence: the winner and the best baseline."""
    winner = next((row for row in rows if row.role == "winner"), None)
    if winner is None:
        return ""
    text = f"Winner: {in_words(winner)}"
    best = next((row for row in rows if row.best), None)
    return f"{text}." if best is None else f"{text}; best baseline, {best.name}: {in_words(best)}."
