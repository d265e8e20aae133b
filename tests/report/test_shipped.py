"""The table of the winner's files."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from nas.deploy.manifest import Spread, read_manifest, write_manifest
from nas.report import print_shipped, report
from nas.report.shipped import deployment
from tests.report.test_report_table import one_line


def with_files(run_dir: Path) -> None:
    """Adds an INT8 file without a prediction, and one that was not measured."""
    artefacts = read_manifest(run_dir / "deploy")
    [winner] = [each for each in artefacts if each.name == "winner"]
    first = dataclasses.replace(
        winner,
        predicted_ms=0.2,
        latency_ms=Spread(value=0.21, low=0.2, high=0.22),
    )
    int8 = dataclasses.replace(first, format="onnx_int8", file="winner.int8.onnx", predicted_ms=None)
    module = dataclasses.replace(int8, format="pytorch", file="winner.pytorch", latency_ms=None)
    others = [each for each in artefacts if each.name != "winner"]
    write_manifest(run_dir / "deploy", [first, int8, module, *others])


def test_each_file_has_a_row_and_no_figure_is_invented(run_dir: Path) -> None:
    with_files(run_dir)
    table = deployment(run_dir)
    assert table is not None
    names = [text for text, _ in table.headings]
    rows = [dict(zip(names, row, strict=True)) for row in table.rows]
    assert [row["file"] for row in rows] == ["winner.onnx", "winner.int8.onnx", "winner.pytorch"]
    assert [row["predicted"] for row in rows] == ["0.200", "–", "–"]
    assert [row["measured"] for row in rows] == ["0.210 ± 0.010", "0.210 ± 0.010", "–"]
    assert [row["difference"] for row in rows] == ["+5.0", "–", "–"]
    assert {row["size"] for row in rows} == {"100.0"}
    assert len({row["test accuracy"] for row in rows}) == 1


def test_an_estimate_is_marked(run_dir: Path) -> None:
    with_files(run_dir)
    artefacts = read_manifest(run_dir / "deploy")
    write_manifest(run_dir / "deploy", [dataclasses.replace(each, estimated=True) for each in artefacts])
    table = deployment(run_dir)
    assert table is not None and table.rows[0][2] == "0.200 est."


def test_console_and_page_show_it(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    with_files(run_dir)
    print_shipped(run_dir, Console(width=100, force_terminal=False))
    printed, page = one_line(capsys.readouterr().out), report(run_dir).read_text()
    for text in ("Files of the winner", "winner.int8.onnx", "+5.0"):
        assert text in printed
        assert text in page


def test_files_of_an_earlier_training_are_left_out(run_dir: Path) -> None:
    results = run_dir / "final" / "results.json"
    results.write_text(results.read_text() + "\n")
    assert deployment(run_dir) is None


def test_a_run_without_files_has_no_table(run_dir: Path) -> None:
    (run_dir / "deploy" / "manifest.json").unlink()
    assert deployment(run_dir) is None
