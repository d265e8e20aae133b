"""The facts on the first screen, and which file to ship."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from nas.deploy.manifest import Artefact, Spread, read_manifest, write_manifest
from nas.report.about import about
from nas.report.shipped import recommended


def files(run_dir: Path, *figures: tuple[float | None, int]) -> None:
    """Gives the winner files with these latencies in ms and right answers of 360."""
    artefacts = read_manifest(run_dir / "deploy")
    [winner] = [each for each in artefacts if each.name == "winner"]
    made: list[Artefact] = []
    for number, (ms, correct) in enumerate(figures):
        latency = None if ms is None else Spread(value=ms, low=ms, high=ms)
        made.append(
            dataclasses.replace(
                winner,
                file=f"{number}.onnx",
                latency_ms=latency,
                test_correct=correct,
                size_bytes=1000 * (number + 1),
            )
        )
    write_manifest(run_dir / "deploy", [*made, *(each for each in artefacts if each.name != "winner")])


def budget(run_dir: Path, ms: float | None) -> None:
    path = run_dir / "scale" / "scale.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "latency_ms": ms}))


@pytest.mark.parametrize(
    ("figures", "limit", "chosen"),
    [
        ([(0.2, 350), (0.1, 350)], None, 1),  # equal: the faster
        ([(0.2, 351), (0.1, 350)], None, 1),  # as good as equal
        ([(0.2, 350), (0.1, 200)], None, 0),  # clearly more accurate
        ([(0.2, 350), (0.1, 200)], 0.15, 1),  # but over the budget
        ([(0.2, 350), (0.3, 350)], 0.15, 0),  # none within it
        ([(None, 350), (0.3, 350)], None, 1),  # not measured
    ],
)
def test_which_file_to_ship(
    run_dir: Path, figures: list[tuple[float | None, int]], limit: float | None, chosen: int
) -> None:
    files(run_dir, *figures)
    budget(run_dir, limit)
    choice = recommended(run_dir)
    assert choice is not None
    assert choice[0].file == f"{chosen}.onnx"
    assert choice[1].startswith(f"Ship {chosen}.onnx: ")
    assert dict(about(run_dir))["file to ship"] == f"{chosen}.onnx"


def test_the_reasons(run_dir: Path) -> None:
    files(run_dir, (0.1, 350), (0.2, 350), (0.08, 200))
    budget(run_dir, 0.15)
    choice = recommended(run_dir)
    assert choice is not None
    assert choice[1] == (
        "Ship 0.onnx: 0.100 ms, within the budget of 0.150 ms. "
        "1.onnx is 100 % slower here and above the budget, 100 % larger and as accurate as far as the test "
        "images tell. "
        "2.onnx is 20 % faster here, 200 % larger and 41.7 points less accurate."
    )
    budget(run_dir, 0.05)
    choice = recommended(run_dir)
    assert choice is not None and "above the budget" in choice[1]


def test_without_a_measured_file_none_is_recommended(run_dir: Path) -> None:
    files(run_dir, (None, 350))
    assert recommended(run_dir) is None
    assert "file to ship" not in dict(about(run_dir))


def test_the_facts_are_those_of_the_files(run_dir: Path) -> None:
    (run_dir / "config.yaml").write_text("data: {name: digits}\nspace: spaces/mine.yaml\n")
    budget(run_dir, 0.15)
    found = dict(about(run_dir))
    assert found["data"] == "digits, 10 classes"
    assert found["search space"] == "tiny_32"
    assert found["budget of the exported file"] == "0.150 ms"
    assert found["device"] == "here (a laptop, 2 cores; onnxruntime, 1 thread, fp32)"


@pytest.mark.parametrize("content", [b"[", b"a: [b", b"data: 3", b"", b"data: \x8a"])
def test_a_damaged_configuration_leaves_its_facts_out(run_dir: Path, content: bytes) -> None:
    (run_dir / "config.yaml").write_bytes(content)
    assert "data" not in dict(about(run_dir))
    assert "device" in dict(about(run_dir))


def test_an_empty_folder_has_none(tmp_path: Path) -> None:
    assert about(tmp_path) == []
