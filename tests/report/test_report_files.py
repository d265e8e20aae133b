"""Which of a run's latency tables the page is made of."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

from nas.files import write_json
from nas.latency import load_table
from nas.report.files import read_latency_table
from nas.report.sections.base import Run
from nas.report.sections.latency import latency


def save(run_dir: Path, step: str, *, finished: str) -> None:
    """Writes a table as a step leaves it that has measured missing blocks; its name is the step's."""
    table = load_table(run_dir / "table" / "here.json")
    dataclasses.replace(table, name=step).save(run_dir / step / "table.json")
    write_json(run_dir / step / "step.json", {"finished": finished})


def name(run_dir: Path) -> str | None:
    table = read_latency_table(run_dir)
    return None if table is None else table.name


def test_the_latest_step_has_the_fullest_table(run_dir: Path) -> None:
    assert name(run_dir) == "here"
    save(run_dir, "search", finished="2026-01-01T00:02:00+00:00")
    assert name(run_dir) == "search"
    save(run_dir, "scale", finished="2026-01-01T00:02:00+00:00")
    assert name(run_dir) == "scale"
    write_json(run_dir / "table" / "step.json", {"finished": "2026-01-01T00:03:00+00:00"})
    assert name(run_dir) == "here", "it was measured anew"


def test_a_finished_table_is_shown_with_its_error(run_dir: Path) -> None:
    save(run_dir, "scale", finished="2026-01-01T00:02:00+00:00")
    shutil.rmtree(run_dir / "table")
    page = "".join(latency(Run(run_dir)))
    assert "Not available yet" not in page
    assert "Error on 12 whole networks" in page
    shutil.rmtree(run_dir / "scale")
    assert read_latency_table(run_dir) is None
