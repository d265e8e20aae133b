"""A run whose networks are right about every image, or about none, has a report like any other."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from nas.files import read_csv, read_json, write_json
from nas.report import pictures, print_table, read_table, report
from nas.report.figures.style import error_bar
from nas.training.history_csv import write_csv
from tests.report.pages import parse

IMAGES = 50  # the formula's upper end for 50 of 50 is one ulp below 1


@pytest.fixture(params=[0, 1], ids=["none", "all"])
def extreme(run_dir: Path, request: pytest.FixtureRequest) -> Path:
    share: int = request.param
    manifest = read_json(run_dir / "deploy" / "manifest.json")
    for item in manifest["artefacts"]:
        item |= {"test_correct": share * IMAGES, "test_total": IMAGES}
    write_json(run_dir / "deploy" / "manifest.json", manifest)
    rows = read_csv(run_dir / "trust" / "networks.csv")
    counts = {"inherited_correct": share * IMAGES, "alone_correct": share * IMAGES, "images": IMAGES}
    write_csv(run_dir / "trust" / "networks.csv", [{**row, **counts} for row in rows])
    rows = read_csv(run_dir / "search" / "trials.csv")
    write_csv(run_dir / "search" / "trials.csv", [{**row, "accuracy": float(share)} for row in rows])
    return run_dir


def test_its_report_lacks_nothing(extreme: Path, tmp_path: Path) -> None:
    share = read_table(extreme)[0].test_accuracy
    text = parse(report(extreme).read_text(encoding="utf-8")).text
    assert "Cannot be shown" not in text
    assert ("100.0 (92.9–100.0)" if share else "0.0 (0.0–7.1)") in text
    assert len(pictures(extreme, tmp_path / "pictures")) == 5


def test_its_table_is_printed(extreme: Path) -> None:
    stream = io.StringIO()
    print_table(read_table(extreme), Console(file=stream, width=120))
    assert "100.0 (92.9–100.0)" in stream.getvalue() or "0.0 (0.0–7.1)" in stream.getvalue()


def test_a_value_outside_its_interval_by_rounding_has_a_bar_of_no_length() -> None:
    assert error_bar(0.3, 0.30000000000000004, 0.5) == (0.0, 0.2)
    assert error_bar(2.0, 1.0, 4.0) == (1.0, 2.0)
