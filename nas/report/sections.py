"""The parts of the page, each made of one step's files; without them it says which command makes them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from nas.deploy.manifest import MANIFEST, read_manifest
from nas.errors import UserError
from nas.files import read_json
from nas.hardware import latency_unit
from nas.report import html
from nas.report.classes_section import classes
from nas.report.figures import (
    draw_comparison,
    draw_hypervolume,
    draw_network,
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
from nas.report.search_section import details, dominated, shown_point
from nas.report.table import cells, footnote, headings, in_words, milliseconds
from nas.report.trust_section import TRUST_ROWS, trust

DEPLOYED = Path("deploy") / MANIFEST
PROVENANCE = Path("provenance.json")
CONFIG = Path("config.yaml")
ESTIMATES = " Latencies are estimated by the device's roofline, not measured."


@final
@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the page.

    Attributes:
        title: Its heading.
        needs: Files of the run folder without which it cannot be made.
        command: The command that makes them.
        make: Gives its HTML for a run folder.
        optional: Whether the page says nothing where it was not made, as it is no step of ``nas run``.
    """

    title: str
    needs: tuple[Path, ...]
    command: str
    make: Callable[[Path], list[str]]
    optional: bool = False

    def render(self, run_dir: Path) -> list[str]:
        """The part, or the line that says how to get it, or why it cannot be shown, or nothing."""
        is_there = all((run_dir / path).is_file() for path in self.needs)
        if not is_there and self.optional:
            return []
        if not is_there:
            command = f"{self.command} run_dir={run_dir.as_posix()}"
            body = [html.missing("Not there yet; it is made by", command)]
        else:
            try:
                body = [*self._outdated(run_dir), *self.make(run_dir)]
            except UserError as error:  # one damaged file does not hide the rest
                body = [html.paragraph(f"Cannot be shown: {error}", kind="missing")]
        return ["<section>", html.heading(self.title), *body, "</section>"]

    def _outdated(self, run_dir: Path) -> list[str]:
        """A line where the step before was done again since."""
        folder = self.needs[0].parts[0] if self.needs else ""
        if folder not in ORIGINS or not is_outdated(run_dir, folder):
            return []
        text = f"This is of an earlier {ORIGINS[folder][2]}; it is made anew by"
        return [html.missing(text, f"{self.command} run_dir={run_dir.as_posix()}")]


def result(run_dir: Path) -> list[str]:
    """The final table, and its picture once latencies are measured."""
    rows = read_table(run_dir)
    table = html.table(
        headings(rows),
        [
            (row.role if row.role == "winner" else "", line)
            for row, line in zip(rows, cells(rows), strict=True)
        ],
    )
    parts = [table, html.paragraph(footnote(rows), kind="note"), *classes(rows)]
    if not any(row.latency_ms for row in rows):
        command = f"nas export run_dir={run_dir.as_posix()}"
        return [*parts, html.missing("Their exported files were not measured yet; that is done by", command)]
    svg = to_svg(draw_comparison(rows), name="comparison", title="Test accuracy against measured latency")
    caption = "Networks trained in the same way. Bars: 95 % intervals. The line joins the baselines."
    return [*parts, html.figure(svg, caption)]


def winner(run_dir: Path) -> list[str]:
    """The network that ships, and where its time goes."""
    found = winner_network(run_dir)
    if found is None:
        return [
            html.missing(
                "No network was chosen yet; it is found by", f"nas search run_dir={run_dir.as_posix()}"
            )
        ]
    what, network = found
    svg = to_svg(draw_network(network), name="network", title=f"The blocks of {what}")
    caption = (
        f"{what[0].upper()}{what[1:]}: {len(network.blocks)} blocks, {network.macs * 1e-6:.2f} million MACs, "
        f"{network.params * 1e-3:.1f} thousand parameters, resolution {network.resolution}. "
        "Height: the side of the block's input. Kernel: its side, or sides. Channels and resolution: "
        "those of the output."
    )
    return [html.figure(svg, caption, kind="strip"), *_time(run_dir)]


def _time(run_dir: Path) -> list[str]:
    table, found = read_latency_table(run_dir), winner_network(run_dir)
    if table is None or found is None:
        command = f"nas table run_dir={run_dir.as_posix()}"
        return [html.missing("Where its time goes needs a latency table; it is measured by", command)]
    network = found[1]
    if missing := table.missing(network):
        text = f"The latency table {table.name} lacks {len(missing)} of its blocks; they are measured by"
        return [html.missing(text, f"nas table run_dir={run_dir.as_posix()}")]
    if table.model.parts(network.blocks) is None:
        return [
            html.paragraph(f"The latency table {table.name} knows whole networks only, not their blocks.")
        ]
    total, kind = milliseconds(table.predict(network)), kind_of(estimated=table.is_estimate(network))
    svg = to_svg(draw_time(network, table), name="time", title=f"{kind.capitalize()} time of each block")
    caption = (
        f"Where its {total} {table.device.latency_unit} go, as {kind} by the latency table {table.name}; "
        "shares of the whole."
    )
    return [html.figure(svg, caption)]


def search(run_dir: Path) -> list[str]:
    """The Pareto picture and the hypervolume."""
    found = read_search(run_dir)
    what, unit = found.cost
    note = ESTIMATES if unit and any(found.estimated) else ""
    pareto = to_svg(draw_pareto(found), name="pareto", title=f"Accuracy against {what}")
    volume = to_svg(draw_hypervolume(found), name="hypervolume", title="Hypervolume against evaluations")
    first = (
        f"{found.evaluations} networks evaluated with the supernet's weights, {len(found.front)} on the "
        f"front. Winner: {shown_point(found.winner, unit)}, on the validation images.{note}"
    )
    second = f"{dominated(found, unit)}: {found.hypervolume[-1]:.4g}; "
    second += (
        f"random search with the same budget: {found.random[-1]:.4g}."
        if found.random
        else "no control was run."
    )
    figures = [html.figure(pareto, first), html.figure(volume, f"{second}{note}")]
    return [*figures, *details(run_dir / WINNER.parent)]


def scaling(run_dir: Path) -> list[str]:
    """The scaling coefficients that were tried."""
    value = read_json(run_dir / SCALE)
    try:
        return _scaling(value)
    except (KeyError, TypeError) as error:
        raise UserError(f"{run_dir / SCALE} cannot be read ({error!r}); make it again: nas scale") from None


def _scaling(value: dict[str, Any]) -> list[str]:
    budget, kind = value["latency_ms"], kind_of(estimated=value["estimated"])
    unit = latency_unit(value.get("batch", 1))  # older results do not say
    text = f"φ = {value['phi']:.3g}: {kind} {milliseconds(value['predicted_ms'])} {unit}"
    text += "." if budget is None else f" for a budget of {milliseconds(budget)} {unit}."
    rows = [("", (f"{item['phi']:.3g}", milliseconds(item["predicted_ms"]))) for item in value["tried"]]
    if value["estimated"]:
        text += ESTIMATES
    return [html.paragraph(text), html.table([("φ", ""), (kind, unit)], rows)]


def training(run_dir: Path) -> list[str]:
    """The supernet's losses, and its extremes' accuracy where that was evaluated."""
    history = read_csv(run_dir / HISTORY)
    if not history:
        return [html.missing("Its history is empty; train again:", f"nas train run_dir={run_dir.as_posix()}")]
    svg = to_svg(draw_training(history), name="training", title="Training losses of the supernet")
    return [html.figure(svg, f"Training losses over {len(history)} epochs of the sandwich rule's subnets.")]


def artefacts(run_dir: Path) -> list[str]:
    """The exported files."""
    head = [
        ("file", ""),
        ("format", ""),
        ("size", "kB"),
        ("parity error", "of the largest output"),
        ("same class", "%"),
        ("SHA-256", ""),
    ]
    rows = [
        (
            "",
            (
                item.file,
                item.format,
                f"{item.size_bytes * 1e-3:.1f}",
                f"{item.parity.largest_relative_error:.1e}",
                f"{100 * item.parity.top1_agreement:.1f}",
                item.sha256[:16] + "…",
            ),
        )
        for item in read_manifest(run_dir / DEPLOYED.parent)
    ]
    return [html.table(head, rows, texts=2)]


def provenance(run_dir: Path) -> list[str]:
    """Commit, versions, hardware and configuration."""
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
    """The outcome in a sentence: the winner, and how it compares with the best baseline."""
    winner = next((row for row in rows if row.role == "winner"), None)
    if winner is None:
        return ""
    text = f"Winner: {in_words(winner)}"
    best = next((row for row in rows if row.best), None)
    return f"{text}." if best is None else f"{text}; best baseline, {best.name}: {in_words(best)}."
