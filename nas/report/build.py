"""Writes the report page and stand-alone pictures."""

from __future__ import annotations

from pathlib import Path

from nas.errors import UserError
from nas.files import write_text
from nas.report.about import about
from nas.report.drawing import Drawn, draw
from nas.report.figures import draw_comparison, draw_pareto
from nas.report.figures.style import save
from nas.report.files import PARETO, TRIALS, WINNER, read_search, winner_network
from nas.report.glance import cards
from nas.report.page.template import json_text, page, render
from nas.report.results import RESULTS, read_table
from nas.report.sections.base import Run
from nas.report.sections.every import SECTIONS
from nas.report.warnings import warnings

PAGE = "report.html"
DRAWINGS = "drawings"
"""The name of the cells' data in the page."""


def report(run_dir: Path) -> Path:
    """Writes ``report.html`` into a run folder: a single file that works offline.

    The page leaves out what the run lacks, and names the command that makes it; if a file cannot be read, the
    section shows the reason.

    Args:
        run_dir: The run folder.

    Returns:
        The page's path.

    Raises:
        UserError: If the folder does not exist.
    """
    _check(run_dir)
    path = run_dir / PAGE
    write_text(path, report_html(run_dir))
    return path


def report_html(run_dir: Path) -> str:
    """Returns the page of a run."""
    run, name = Run(run_dir), run_dir.resolve().name
    made = [(section, section.render(run)) for section in SECTIONS]
    sentence, answers = cards(run_dir)
    data = {**run.data, DRAWINGS: run.drawings.to_dict()}
    body = render(
        "report.html",
        name=name,
        sentence=sentence,
        about=about(run_dir),
        cards=answers,
        warnings=warnings(run_dir),
        sections=[(section, text) for section, text in made if text],
        absent=[
            (section.title, run.command(section.command))
            for section, text in made
            if not text and not section.optional
        ],
        data={key: json_text(value) for key, value in data.items() if value is not None},
    )
    return page(f"{name} – hwnas", body, scripts=("plane.js", "choices.js"))


def pictures(run_dir: Path, folder: Path) -> list[Path]:
    """Writes stand-alone pictures: ``comparison`` and ``pareto`` as PNG and SVG, ``network`` as SVG.

    Args:
        run_dir: The run folder; pictures whose files are missing are left out.
        folder: Folder of the pictures.

    Returns:
        The files, in the order above.

    Raises:
        UserError: If the run folder does not exist, or a file in it cannot be read.
    """
    _check(run_dir)
    figures = {}
    rows = read_table(run_dir) if (run_dir / RESULTS).is_file() else []
    if any(row.latency_ms for row in rows):
        figures["comparison"] = draw_comparison(rows)
    if all((run_dir / path).is_file() for path in (PARETO, WINNER, TRIALS)):
        figures["pareto"] = draw_pareto(read_search(run_dir))
    paths = []
    for name, figure in figures.items():
        for suffix in (".png", ".svg"):
            save(figure, path := folder / f"{name}{suffix}")
            paths.append(path)
    if (winner := winner_network(run_dir)) is not None:
        write_text(path := folder / "network.svg", draw([Drawn(*winner)]))
        paths.append(path)
    return paths


def _check(run_dir: Path) -> None:
    if not run_dir.is_dir():
        raise UserError(f"{run_dir} is not a folder; name a run folder: run_dir=runs/NAME")
