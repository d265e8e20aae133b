"""Writes the report page and stand-alone pictures."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from nas.errors import UserError
from nas.files import write_text
from nas.report import html
from nas.report.drawing import Drawn, draw
from nas.report.figures import draw_comparison, draw_pareto
from nas.report.figures.style import save
from nas.report.files import PARETO, TRIALS, WINNER, read_search, winner_network
from nas.report.results import RESULTS, read_table
from nas.report.sections import SECTIONS, summary

PAGE = "report.html"


def report(run_dir: Path) -> Path:
    """Writes ``report.html`` into a run folder: a single file that works offline.

    If a section's files are missing, the page names the command that makes them; if they cannot be read, it
    shows the reason.

    Args:
        run_dir: The run folder.

    Returns:
        The page's path.

    Raises:
        UserError: If the folder does not exist.
    """
    _check(run_dir)
    name = run_dir.resolve().name
    body = [html.heading(name, level=1), *_summary(run_dir)]
    body += [line for section in SECTIONS for line in section.render(run_dir)]
    path = run_dir / PAGE
    write_text(path, html.page(f"{name} – hwnas", body))
    return path


def _summary(run_dir: Path) -> list[str]:
    if not (run_dir / RESULTS).is_file():
        return []
    with suppress(UserError):  # the result section reports the error
        return [html.paragraph(summary(read_table(run_dir)))]
    return []


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
