"""Balanced accuracy and the accuracy of each class, on the page and below the final table."""

from __future__ import annotations

import dataclasses
import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from nas.files import read_json, sha256, write_json
from nas.report import print_table, read_table
from nas.report.sections.classes import classes


def test_a_class_that_is_rare_counts_as_much_as_the_others(run_dir: Path) -> None:
    row = read_table(run_dir)[0]
    assert row.by_class[0].accuracy == 1
    dogs = (row.test_correct - 280) / 80
    assert row.balanced_accuracy == pytest.approx((1 + dogs) / 2)
    assert row.balanced_accuracy < row.test_accuracy


def test_the_page_lists_the_worst_class_first_and_names_those_without_images(run_dir: Path) -> None:
    rows = read_table(run_dir)
    text, table, _ = classes(rows)
    best = next(row for row in rows if row.best)
    assert rows[0].balanced_accuracy and best.balanced_accuracy
    error = 1.959964 * rows[0].balanced_error
    low, value, high = (100 * (rows[0].balanced_accuracy + part) for part in (-error, 0, error))
    assert f"winner {value:.1f} % ({low:.1f}–{min(high, 100):.1f})" in text
    assert f"mobilenet_v2 ×0.35 {100 * best.balanced_accuracy:.1f} %" in text
    assert "Classes without test images: fox." in text
    assert "cat</td><td>280</td><td>100.0 (98.6–100.0)</td>" in table
    assert re.findall(r"<tr[^>]*><td[^>]*>(\w+)</td><td>(\d+)</td><td>([^ <]+)", table) == [
        ("dog", "80", f"{100 * (rows[0].test_correct - 280) / 80:.1f}"),
        ("cat", "280", "100.0"),
        ("fox", "0", "–"),
    ]


def test_the_page_shows_which_classes_are_confused(run_dir: Path) -> None:
    rows = read_table(run_dir)
    matrix = classes(rows)[2]
    correct = rows[0].by_class[1].correct - 1  # of the trained network; the file has one more
    cells = re.findall(r"<td[^>]*>([^<]+)</td>", matrix)
    lines = [cells[start : start + 4] for start in (0, 4, 8)]
    assert lines == [
        ["cat", "280", "0", "0"],
        ["dog", str(79 - correct), str(correct), "1"],
        ["fox", "0", "0", "0"],
    ]
    assert "Confusion matrix of winner" in matrix
    many = [
        dataclasses.replace(
            row, by_class=tuple(dataclasses.replace(row.by_class[1], name=str(n)) for n in range(13))
        )
        for row in rows
    ]
    frequent = classes(many)[2]
    assert "Most frequent confusions of winner" in frequent
    assert f'>dog</td><td class="text">cat</td><td>{79 - correct}</td>' in frequent


def test_a_class_without_faults_has_an_error_too(run_dir: Path) -> None:
    row = read_table(run_dir)[0]
    sure = dataclasses.replace(row, by_class=row.by_class[:1])
    assert 0 < sure.balanced_error < row.balanced_error


def test_the_final_table_ends_with_it(run_dir: Path) -> None:
    stream = io.StringIO()
    print_table(read_table(run_dir), Console(file=stream, width=80))
    text = " ".join(stream.getvalue().split())
    assert "Balanced accuracy, the mean over classes: winner " in text
    assert "Classes without test images: fox." in text


def test_older_results_without_classes_are_shown_without_them(run_dir: Path) -> None:
    results = read_json(run_dir / "final" / "results.json")
    for item in results["networks"]:
        del item["test_by_class"], item["classes"], item["test_confusions"]
    write_json(run_dir / "final" / "results.json", results)
    manifest = read_json(run_dir / "deploy" / "manifest.json")
    for item in manifest["artefacts"]:
        del item["test_by_class"]
    write_json(run_dir / "deploy" / "manifest.json", manifest)
    inputs = {"trained networks": sha256(run_dir / "final" / "results.json")}
    write_json(run_dir / "deploy" / "step.json", {"inputs": inputs})
    rows = read_table(run_dir)
    assert rows[0].exported
    assert classes(rows) == []
    assert rows[0].balanced_accuracy is None
