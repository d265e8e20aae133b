"""``kill -9`` at random moments: nothing that was finished is lost, and the results are the same."""

from __future__ import annotations

import random
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from nas.files import remove
from tests.cli.steps.test_cli_pipeline import write_project
from tests.faults.killing import Victim, command, results

SETTINGS = (
    "experiment=mini",
    # A table whose latencies follow from these two figures: all but the measured files is then the same.
    *("table=roofline", "+device.peak_flops.fp32=2e11", "device.bandwidth_bytes_per_s=3e10"),
    *("train.epochs=4", "checkpoint.every_steps=1", "finish.epochs=4", "finish.workers=1"),
    *("finish.baseline_widths=[0.05]", "export.formats=[onnx]", "export.measure_budget=0.1s"),
)
STEPS = {
    "train": "supernet",
    "table": "table",
    "search": "search",
    "scale": "scale",
    "finish": "final",
    "export": "deploy",
}
"""The folder of each command."""


@dataclass(frozen=True)
class Whole:
    """A run that nobody has disturbed.

    Attributes:
        folder: The project.
        run_dir: The run.
        took_s: The seconds of the whole run.
    """

    folder: Path
    run_dir: Path
    took_s: float


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    folder = tmp_path_factory.mktemp("project").resolve()
    write_project(folder)
    run_dir = folder / "whole" / "mini"
    assert command(folder, "--version")().wait().returncode == 0  # starts the server
    begun = time.monotonic()
    ended = command(folder, "run", *SETTINGS, f"run_dir={run_dir}")().wait()
    assert ended.returncode == 0, ended.stderr
    return Whole(folder, run_dir, time.monotonic() - begun)


def victim(whole: Whole, name: str, command_name: str, *, made: str) -> Victim:
    """A command on a run of its own, whose results are those of the whole run."""
    run_dir = whole.folder / name / "mini"

    def check() -> None:
        assert results(run_dir) == results(whole.run_dir)

    return Victim(
        start=command(whole.folder, command_name, *SETTINGS, f"run_dir={run_dir}"),
        folder=run_dir,
        check=check,
        again=lambda: remove(run_dir / made),
    )


def test_a_run_that_is_killed_again_and_again(whole: Whole) -> None:
    victim(whole, "killed", "run", made="").kill(5, longest_s=whole.took_s / 3, rng=random.Random(0))


@pytest.mark.long
@pytest.mark.parametrize("name", [*STEPS, "report"])
def test_every_step_killed_twenty_times(whole: Whole, name: str) -> None:
    made = STEPS.get(name, "report.html")
    run_dir = whole.folder / name / "mini"
    shutil.copytree(whole.run_dir, run_dir)
    remove(run_dir / made)
    victim(whole, name, name, made=made).kill(20, longest_s=whole.took_s / 4, rng=random.Random(name))


@pytest.mark.long
def test_random_sequences_of_two_hundred_kills(whole: Whole) -> None:
    victim(whole, "long", "run", made="").kill(200, longest_s=whole.took_s / 2, rng=random.Random(1))
