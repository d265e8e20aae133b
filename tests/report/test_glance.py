"""The top of the page: the answers, and the warnings that a reader must not miss."""

from __future__ import annotations

import dataclasses
import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nas.files import read_json, sha256, write_json
from nas.report import read_table
from nas.report.files import read_latency_table, read_search
from nas.report.glance import MORE, cards
from nas.report.warnings import warnings


def changed(path: Path, change: Callable[[Any], None]) -> None:
    value = read_json(path)
    change(value)
    write_json(path, value)


def test_the_answers_are_those_of_the_final_table(run_dir: Path) -> None:
    rows = read_table(run_dir)
    winner, best = rows[0], next(row for row in rows if row.best)
    sentence, (accuracy, lead, latency, more) = cards(run_dir)
    assert winner.latency_ms and winner.image_ms and best.image_ms
    assert sentence.startswith(f"Winner: {100 * winner.test_accuracy:.1f} % test accuracy")
    assert accuracy.figure == f"{100 * winner.test_accuracy:.1f} %"
    points = 100 * (winner.test_accuracy - best.test_accuracy)
    share = winner.image_ms / best.image_ms
    assert lead.figure == (f"{1 / share:.1f} times faster" if share <= 1 else f"{share:.1f} times slower")
    direction = "more" if points >= 0 else "less"
    assert re.search(rf"{abs(points):.1f} ± \d+\.\d points {direction} accurate", lead.words)
    assert best.name in lead.words
    assert latency.figure == f"{winner.latency_ms.value:.3f} ms"
    assert "the latency table is wrong by" in latency.words
    assert more.question == "What would 20 % more time bring?" and more.words


def timed(run_dir: Path, name: str, factor: float) -> None:
    """Sets a file's latency to a multiple of the winner's."""
    winner = next(row for row in read_table(run_dir) if row.role == "winner")
    assert winner.latency_ms is not None
    value = factor * winner.latency_ms.value

    def change(manifest: Any) -> None:
        for item in manifest["artefacts"]:
            if item["name"] == name:
                item["latency_ms"] |= {"value": value, "low": value, "high": value}

    changed(run_dir / "deploy" / "manifest.json", change)


def scaled(run_dir: Path) -> None:
    """Moves the search's winner away from the trained one."""
    path = run_dir / "search" / "winner.json"
    changed(path, lambda winner: winner["values"].update(latency_ms=winner["values"]["latency_ms"] / 7))


def test_a_trained_network_within_the_time_answers(run_dir: Path) -> None:
    timed(run_dir, "largest", 1.15)
    more = cards(run_dir)[1][3]
    assert "largest network of the space takes 15 % more time" in more.words
    assert more.figure.endswith(" points")


def test_a_network_beyond_the_time_is_no_answer(run_dir: Path) -> None:
    scaled(run_dir)
    timed(run_dir, "largest", 1.35)
    more = cards(run_dir)[1][3]
    assert more.figure == "not known"
    assert "No network between" in more.words and "largest network of the space takes 35 % more" in more.words
    timed(run_dir, "largest", 0.8)
    more = cards(run_dir)[1][3]
    assert more.figure == "not known" and "largest" not in more.words


def test_the_fastest_baseline_is_compared_too(run_dir: Path) -> None:
    rows = read_table(run_dir)
    baselines = [row for row in rows if row.role == "baseline" and row.image_ms]
    assert len(baselines) > 1
    fastest = next(row for row in baselines if not row.best)
    timed(run_dir, fastest.name, 0.5)
    words = cards(run_dir)[1][1].words
    assert f"The fastest baseline, {fastest.name}, takes 50 % of the winner's time and is" in words
    best = next(row for row in baselines if row.best)
    timed(run_dir, best.name, 0.4)
    assert "fastest" not in cards(run_dir)[1][1].words


def test_a_clear_lead_is_told_from_chance(run_dir: Path) -> None:
    assert "may be chance" in cards(run_dir)[1][1].words

    def worse(manifest: Any) -> None:
        for item in manifest["artefacts"]:
            if item["name"] != "winner":
                item["test_correct"] = 290

    changed(run_dir / "deploy" / "manifest.json", worse)
    assert "more than chance would give" in cards(run_dir)[1][1].words


def test_before_the_final_training_the_front_says_what_more_time_brings(run_dir: Path) -> None:
    shutil.rmtree(run_dir / "final")
    search = read_search(run_dir)
    accuracy, cost = search.winner
    sentence, [more] = cards(run_dir)
    assert f"{100 * accuracy:.1f} % at" in sentence
    slowest = max(each for _, each in search.front)
    within = max(value for value, each in search.front if each <= MORE * cost)
    if slowest >= MORE * cost:
        assert more.figure == f"{100 * (within - accuracy):+.1f} points"
    else:
        assert more.figure.startswith("≈ ")
        assert "Continued from the front's trend" in more.words


def test_the_trend_continues_a_front_that_is_a_line(run_dir: Path) -> None:
    shutil.rmtree(run_dir / "final")
    latencies = [0.05 * 1.1**step for step in range(8)]

    def line(pareto: Any) -> None:
        first = pareto["front"][0]
        pareto["front"] = [
            {**first, "values": {"accuracy": 0.9 + 0.1 * math.log(ms), "latency_ms": ms}} for ms in latencies
        ]

    changed(run_dir / "search" / "pareto.json", line)
    changed(
        run_dir / "search" / "winner.json",
        lambda winner: winner.update(
            values={"accuracy": 0.9 + 0.1 * math.log(latencies[-1]), "latency_ms": latencies[-1]}
        ),
    )
    assert cards(run_dir)[1][0].figure == f"≈ {100 * 0.1 * math.log(MORE):+.1f} points"


def test_a_run_without_faults_warns_of_few_images_alone(run_dir: Path) -> None:
    changed(run_dir / "search" / "control.json", lambda value: value.update(hypervolume_curve=[0.0]))
    assert [text.split(":")[0] for text in warnings(run_dir)] == ["Few test images (360)"]


def _missed_budget(run_dir: Path) -> None:
    changed(run_dir / "scale" / "scale.json", lambda value: value.update(latency_ms=0.01))


def _faster_baseline(run_dir: Path) -> None:
    def better(manifest: Any) -> None:
        item = next(item for item in manifest["artefacts"] if "0.1" in item["name"])
        item["latency_ms"] |= {"value": 1e-3, "low": 1e-3, "high": 1e-3}
        item["test_correct"] = 360

    changed(run_dir / "deploy" / "manifest.json", better)


def _disturbed(run_dir: Path) -> None:
    def mark(manifest: Any) -> None:
        manifest["artefacts"][0]["latency_ms"]["disturbed"] = "a program ran"

    changed(run_dir / "deploy" / "manifest.json", mark)


def _emulated(run_dir: Path) -> None:
    table = read_latency_table(run_dir)
    assert table is not None
    device = dataclasses.replace(table.device, machine="ARMv8, 4 cores, aarch64, emulated")
    dataclasses.replace(table, device=device).save(run_dir / "table" / "here.json")


def _biased(run_dir: Path) -> None:
    again = {"objective": "accuracy", "accuracy": 0.5, "interval": [0.4, 0.6], "correct": 50, "images": 100}
    changed(run_dir / "search" / "winner.json", lambda winner: winner.update(held_out=again))


def _no_better_than_random(run_dir: Path) -> None:
    changed(run_dir / "search" / "control.json", lambda value: value.update(hypervolume_curve=[1e9]))


def _poor_ranking(run_dir: Path) -> None:
    changed(
        run_dir / "trust" / "trust.json",
        lambda value: value["agreement"]["all"]["kendall_tau"].update(value=0.1),
    )


def _rejected(run_dir: Path) -> None:
    (run_dir / "rejected").mkdir()
    (run_dir / "rejected" / "winner.onnx").write_text("")


@pytest.mark.parametrize(
    ("change", "warning"),
    [
        (_missed_budget, "The winner misses its budget: "),
        (_faster_baseline, "mobilenet_v2 ×0.1 is as fast as the winner and at least as accurate."),
        (_disturbed, "The exported files were measured while a program ran"),
        (_emulated, "The latency table was measured on an emulated processor"),
        (_biased, "Selection bias: "),
        (_no_better_than_random, "The search was no better than random search"),
        (_poor_ranking, "The supernet ranks networks poorly: Kendall τ 0.10"),
        (_rejected, "Some files failed the check"),
    ],
)
def test_each_fault_is_a_warning(run_dir: Path, change: Callable[[Path], None], warning: str) -> None:
    change(run_dir)
    inputs = {"trained networks": sha256(run_dir / "final" / "results.json")}
    write_json(run_dir / "deploy" / "step.json", {"inputs": inputs})
    found = [text for text in warnings(run_dir) if text.startswith(warning)]
    assert len(found) == 1
