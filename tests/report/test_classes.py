"""Balanced accuracy and the accuracy of each class, on the page and below the final table."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from nas.files import read_json, sha256, write_json
from nas.report import print_table, read_table
from nas.report.classes_section import classes


def test_a_class_that_is_rare_counts_as_much_as_the_others(run_dir: Path) -> None:
    row = read_table(run_dir)[0]
    assert row.by_class[0].accuracy == 1
    dogs = (row.test_correct - 280) / 80
    assert row.balanced_accuracy == pytest.approx((1 + dogs) / 2)
    assert row.balanced_accuracy < row.test_accuracy


def test_the_page_lists_the_worst_class_first_and_names_those_without_images(run_dir: Path) -> None:
    rows = read_table(run_dir)
    text, table = classes(rows)
    best = next(row for row in rows if row.best)
    assert rows[0].balanced_accuracy and best.balanced_accuracy
    assert f"winner {100 * rows[0].balanced_accuracy:.1f} %" in text
    assert f"mobilenet_v2 ×0.35 {100 * best.balanced_accuracy:.1f} %" in text
    assert "Classes without test images: fox." in text
    assert re.findall(r"<tr[^>]*><td[^>]*>(\w+)</td><td>(\d+)</td><td>([^<]+)", table) == [
        ("dog", "80", f"{100 * (rows[0].test_correct - 280) / 80:.1f}"),
        ("cat", "280", "100.0"),
        ("fox", "0", "–"),
    ]


def test_the_final_table_ends_with_it(run_dir: Path) -> None:
    stream = io.StringIO()
    print_table(read_table(run_dir), Console(file=stream, width=80))
    text = " ".join(stream.getvalue().split())
    assert "Balanced accuracy, the mean over classes: winner " in text
    assert "Classes without test images: fox." in text


def test_older_results_without_classes_are_shown_without_them(run_dir: Path) -> None:
    results = read_json(run_dir / "final" / "results.json")
    for item in results["networks"]:
        del item["test_by_class"], item["classes"]
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
