"""``export.enforce``: a budget that the exported file misses, and the candidates that replace the winner."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nas.cli.steps.final.budget import next_candidate, verdict
from nas.deploy.attempts import Attempt, read_attempts
from nas.deploy.manifest import Artefact, Spread, read_manifest
from nas.files import read_json, sha256, write_json
from nas.network import NetworkSpec
from nas.records import read_record, write_record
from nas.report import read_table
from nas.scaling import scale
from tests.cli.steps.conftest import SETTINGS
from tests.cli.steps.test_cli_pipeline import ROOT, Run, wait_for

BUDGET_MS = 0.1
"""The winner of the search takes an eighth of it, the wide networks more than twice as much on a fast CPU."""

ENFORCED = (*SETTINGS, "export.enforce=true")


PREDICTED_MS = (0.09, 1e-4, 1e-6)
"""Predictions that leave room for wide networks that take far longer."""


def with_candidates(
    finished: Run, name: str, *, widths: tuple[int, ...], predicted_ms: tuple[float, ...] = PREDICTED_MS
) -> Path:
    """Copies the run, as if scaling had predicted too little for wide networks: one for each width."""
    folder = finished.folder / "runs" / name
    shutil.copytree(finished.run_dir, folder)
    path = folder / "scale" / "scale.json"
    value = read_json(path)
    winner = NetworkSpec.from_dict(read_json(folder / "search" / "winner.json")["network"])
    entries = [
        {
            "phi": float(width),
            "predicted_ms": predicted,
            "estimated": False,
            "network": scale(winner, width=width, resolution=2 if width > 1 else 1).to_dict(),
        }
        for width, predicted in zip(widths, predicted_ms, strict=False)
    ]
    write_json(path, {**value, **entries[0], "latency_ms": BUDGET_MS, "code": None, "fallbacks": entries[1:]})
    record = read_record(path.parent)
    assert record is not None
    record["outputs"][path.name] = sha256(path)
    write_record(path.parent, record)
    return folder


def weights(folder: Path) -> dict[str, str]:
    return {path.name: sha256(path) for path in (folder / "final").glob("*.safetensors")}


def manifest_of(folder: Path) -> Any:
    [winner] = [each for each in read_manifest(folder, check_files=True) if each.name == "winner"]
    return winner


@pytest.fixture(scope="module")
def replaced(finished: Run) -> tuple[Path, str]:
    """A run whose scaled network and first fallback miss the budget; the second fallback meets it."""
    folder = with_candidates(finished, "replaced", widths=(24, 16, 1))
    code, out, err = finished.nas("run", *ENFORCED, f"run_dir={folder}")
    assert code == 0, err
    return folder, out


def test_faster_candidates_are_trained_until_one_meets_the_budget(replaced: tuple[Path, str]) -> None:
    folder, out = replaced
    assert "scale: already done, skipped" in out
    attempts = read_attempts(folder)
    assert attempts.candidate == 2
    assert [each.candidate for each in attempts.missed] == [0, 1]
    assert all(each.predicted_ms < BUDGET_MS < each.measured_ms for each in attempts.missed)
    shipped = manifest_of(folder / "deploy")
    assert shipped.latency_ms.value <= BUDGET_MS
    [winner] = [row for row in read_table(folder) if row.role == "winner"]
    assert winner.network.to_dict() == read_json(folder / "scale" / "scale.json")["fallbacks"][1]["network"]


def test_the_files_that_missed_are_kept_beside_the_others(replaced: tuple[Path, str]) -> None:
    folder, out = replaced
    for attempt in read_attempts(folder).missed:
        aside = folder / "missed" / str(attempt.candidate)
        assert manifest_of(aside) == attempt.artefact
        assert f"its files are in runs/replaced/missed/{attempt.candidate}" in out
    assert not list(folder.glob(".*.partial"))


def test_what_was_tried_is_shown(finished: Run, replaced: tuple[Path, str]) -> None:
    folder, out = replaced
    missed = re.findall(
        r"deploy: missed: winner\.onnx \((.*)\) takes [\d.]+ ms \(95 % interval .*above the budget of 0\.1",
        out,
    )
    assert missed == ["scaled network", "fallback 1"]
    assert "deploy: next is fallback 2, predicted 1e-06 ms" in out
    last = out[out.rindex("deploy: done") :]
    page = (folder / "report.html").read_text()
    for text in ("Missed the budget of 0.100 ms", "scaled network", "fallback 1"):
        assert text in last
        assert text in page


def test_baselines_are_trained_once(finished: Run, replaced: tuple[Path, str]) -> None:
    folder, out = replaced
    assert out.count("training mobilenet_v2") == 1
    assert out.count("training winner") == 3
    same = set(weights(finished.run_dir).items()) & set(weights(folder).items())
    assert "mobilenet_v2_x0.1.safetensors" in dict(same)


def test_a_second_run_changes_nothing(finished: Run, replaced: tuple[Path, str]) -> None:
    folder, _ = replaced
    before = weights(folder)
    code, out, err = finished.nas("run", *ENFORCED, f"run_dir={folder}")
    assert code == 0, err
    assert "final: already done, skipped" in out and "deploy: already done, skipped" in out
    code, out, err = finished.nas("finish", *SETTINGS, f"run_dir={folder}")
    assert code == 0, err
    assert "final: already done, skipped" in out, "the candidate is a fact of the run, not of the command"
    assert weights(folder) == before


def test_without_enforcement_the_scaled_network_is_the_winner_again(
    finished: Run, replaced: tuple[Path, str]
) -> None:
    folder = finished.folder / "runs" / "unenforced"
    shutil.copytree(replaced[0], folder)
    code, out, err = finished.nas("run", *SETTINGS, f"run_dir={folder}")
    assert code == 0, err
    assert "other export settings than at the last miss; the run starts with the scaled network" in out
    assert re.search(
        r"deploy: warning: winner\.onnx takes .* above the budget .* with scale\.margin=0\.\d+", out
    )
    assert not (folder / "missed").exists()
    assert manifest_of(folder / "deploy").latency_ms.value > BUDGET_MS


def test_a_run_fails_if_no_candidate_meets_the_budget(finished: Run) -> None:
    folder = with_candidates(finished, "none", widths=(24, 16, 20))
    code, _, err = finished.nas("run", *ENFORCED, f"run_dir={folder}", "export.fallbacks=1")
    assert code == 2
    [line] = err.splitlines()
    assert re.match(
        r"error: no candidate meets the budget of 0\.1 ms: scaled network [\d.]+ ms, fallback 1 [\d.]+ ms; "
        r"their files are in .*missed\. Run again with export\.fallbacks above 1 \(scale\.json has 2\), "
        r"or scale\.margin=0\.\d+$",
        line,
    )
    code, _, err = finished.nas("run", *ENFORCED, f"run_dir={folder}", "export.fallbacks=2")
    assert code == 2
    assert "fallback 1 " in err and "fallback 2 " in err and "export.fallbacks above" not in err


def test_candidates_that_would_miss_the_budget_too_are_passed_over(finished: Run) -> None:
    near = (0.09, 0.086, 0.082)
    folder = with_candidates(finished, "passed_over", widths=(24, 16, 1), predicted_ms=near)
    code, out, err = finished.nas("run", *ENFORCED, f"run_dir={folder}")
    assert code == 2
    assert out.count("training winner") == 1
    assert re.search(
        r"scaled network [\d.]+ ms; their files are in .*missed\. scale\.json has 2 fallbacks more, which "
        r"would miss it too: files took [\d.]+ times their predicted latency\. Run again with scale\.margin=",
        err.strip(),
    ), err
    folder = with_candidates(
        finished, "one_passed_over", widths=(24, 16, 1), predicted_ms=(0.09, 0.086, 1e-6)
    )
    code, out, err = finished.nas("run", *ENFORCED, f"run_dir={folder}", "export.fallbacks=1")
    assert code == 0, err
    assert "deploy: passed over 1 fallback, which would miss it too: files took " in out
    assert "deploy: next is fallback 2, predicted 1e-06 ms" in out


def missed(number: int, *, predicted_ms: float, measured_ms: float) -> Attempt:
    file = Artefact(
        name="winner",
        format="onnx",
        file="winner.onnx",
        sha256="",
        size_bytes=1,
        parity=None,
        latency_ms=Spread(value=measured_ms, low=measured_ms, high=measured_ms),
    )
    return Attempt(candidate=number, phi=1.0, predicted_ms=predicted_ms, budget_ms=1.0, artefact=file)


def test_predictions_are_corrected_by_the_mean_error_of_those_that_missed() -> None:
    predicted = [0.99, 0.97, 0.95, 0.93, 0.91, 0.89, 0.87]
    first = missed(0, predicted_ms=0.99, measured_ms=1.089)
    assert next_candidate(predicted, [first]) == 5, "0.91 times 1.1 exceeds 1"
    second = missed(5, predicted_ms=0.89, measured_ms=1.02)
    assert next_candidate(predicted, [first, second]) == 6
    assert next_candidate(predicted[:6], [first, second]) is None
    slight = missed(0, predicted_ms=0.99, measured_ms=1.001)
    assert next_candidate(predicted, [slight]) == 1


def test_nas_export_fails_and_keeps_the_files_aside(finished: Run) -> None:
    folder = with_candidates(finished, "alone", widths=(24,))
    assert finished.nas("finish", *SETTINGS, f"run_dir={folder}")[0] == 0
    before = {path.name: sha256(path) for path in (folder / "deploy").iterdir() if path.is_file()}
    code, _, err = finished.nas("export", *ENFORCED, f"run_dir={folder}")
    assert code == 2
    [line] = err.splitlines()
    assert re.match(
        r"error: winner\.onnx \(scaled network\) takes .*, above the budget of 0\.1 ms; its files are in "
        r".*missed/0\. `nas run export\.enforce=true` tries up to export\.fallbacks faster candidates; or "
        r"scale again with scale\.margin=0\.\d+$",
        line,
    )
    assert manifest_of(folder / "missed" / "0").latency_ms.value > BUDGET_MS
    assert {path.name: sha256(path) for path in (folder / "deploy").iterdir() if path.is_file()} == before
    assert not list(folder.glob(".*.partial"))


def test_an_interrupted_run_continues_with_the_candidate_where_it_was(finished: Run) -> None:
    folder = with_candidates(finished, "interrupted", widths=(24, 16, 1))
    command = [sys.executable, "-m", "nas.cli", "run", *ENFORCED, f"run_dir={folder}"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=finished.folder, env=environment, stdout=subprocess.DEVNULL
    ) as process:
        wait_for(lambda: (folder / "missed" / "attempts.json").is_file() or process.poll() is not None)
        process.send_signal(signal.SIGKILL)
        process.wait(60)
    assert [each.candidate for each in read_attempts(folder).missed] == [0]
    code, out, err = finished.nas("run", *ENFORCED, f"run_dir={folder}")
    assert code == 0, err
    assert "(scaled network)" not in out, "it is not tried a second time"
    assert [each.candidate for each in read_attempts(folder).missed] == [0, 1]


def test_another_scaling_starts_with_its_own_network(replaced: tuple[Path, str], finished: Run) -> None:
    folder = finished.folder / "runs" / "other_scaling"
    shutil.copytree(replaced[0], folder)
    path = folder / "scale" / "scale.json"
    path.write_text(path.read_text() + "\n")
    assert read_attempts(folder).candidate == 0
    assert read_attempts(folder).missed == ()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["export.fallbacks=-1"], "export.fallbacks is -1; give 0 for none, or a positive number"),
        (
            ["device.machine=phone"],
            "export.enforce=true measures on this machine: device this_machine is phone",
        ),
        (
            ["export.formats=[pytorch]"],
            "export.enforce=true needs a file in fp32 that onnxruntime can measure, and pytorch gives none; ",
        ),
    ],
)
def test_a_budget_that_cannot_be_enforced_is_refused_before_any_work(
    finished: Run, settings: list[str], message: str
) -> None:
    code, out, err = finished.nas("export", *ENFORCED, *settings)
    assert code == 2
    [line] = err.splitlines()
    assert line.startswith(f"error: {message}")
    assert "exporting" not in out


def test_a_damaged_record_of_attempts_is_named(replaced: tuple[Path, str], finished: Run) -> None:
    folder = finished.folder / "runs" / "damaged_attempts"
    shutil.copytree(replaced[0], folder)
    (folder / "missed" / "attempts.json").write_text("[]")
    code, _, err = finished.nas("finish", *SETTINGS, f"run_dir={folder}")
    assert code == 2
    assert "attempts.json cannot be read" in err and "delete " in err


@pytest.mark.parametrize(
    ("low", "value", "high", "expected"),
    [
        (0.8, 0.9, 0.99, ""),
        (0.8, 0.99, 1.02, "takes 0.99 ms (95 % interval 0.8 to 1.02), within the budget of 1 ms, but the"),
        (0.9, 1.01, 1.1, "above the budget of 1 ms, though the interval holds the budget"),
        (1.01, 1.02, 1.1, "takes 1.02 ms (95 % interval 1.01 to 1.1), above the budget of 1 ms"),
    ],
)
def test_the_figure_decides_and_an_interval_that_holds_the_budget_is_mentioned(
    low: float, value: float, high: float, expected: str
) -> None:
    spread = Spread(value=value, low=low, high=high)
    text = verdict(spread, 1.0, unit="ms")
    assert expected in text
    assert bool(text) == bool(expected)
    assert ("though" in text) == (value > 1 >= low)
