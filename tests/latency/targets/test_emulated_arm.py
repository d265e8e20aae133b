"""A kit on 64-bit Arm, which QEMU emulates: everything but the times is as on a board."""

from __future__ import annotations

import json
import logging
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.hardware import Device
from nas.latency import load_table
from nas.latency.compatible import warnings
from nas.latency.kit.packing import pack_folder
from nas.latency.measure.table import write_plan
from nas.latency.plan.plan import plan_table
from nas.latency.targets import Target
from nas.latency.targets.run_kit import run_kit
from nas.runner.samples import read_samples
from nas.space import SearchSpace

PYTHON = Path(__file__).parents[3] / "build" / "arm64" / "python3"

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(
        not PYTHON.is_file(), reason="no emulated Arm machine here; `tools/arm64.sh` makes one on Debian"
    ),
]


def test_a_kit_is_measured_killed_and_resumed_on_arm(small_space: SearchSpace, tmp_path: Path) -> None:
    plan = plan_table(
        small_space, budget_s=5, classes=10, correction_networks=3, validation_networks=3, resolutions=[8]
    )
    kit = write_plan(plan, tmp_path / "kit", device=Device(name="board"))
    names = ["manifest.json", "measure.pyz", *(entry["file"] for entry in kit.entries)]
    pack_folder(kit.folder, names, tmp_path / "kit.zip")
    table, samples = tmp_path / "board.json", tmp_path / "board.samples.jsonl"
    command = [PYTHON, kit.folder / "measure.pyz", tmp_path / "kit.zip", table]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        wait_for(lambda: samples.is_file() and samples.read_bytes().count(b"\n") > 20)
        process.send_signal(signal.SIGKILL)
    kept = samples.read_bytes()
    kept = kept[: kept.rindex(b"\n") + 1]
    assert not table.exists() and kept

    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "this processor is emulated: the latencies will be the emulator's" in done.stderr
    assert samples.read_bytes().startswith(kept)
    windows = [(window.entry, window.round) for window in read_samples(samples)[1]]
    assert len(windows) == len(set(windows)) > kept.count(b"\n")

    measured = load_table(table)
    assert measured.name == "small-board"
    assert measured.device.machine.endswith(", aarch64, emulated")
    assert measured.predict(small_space.network(small_space.smallest(), classes=10)) > 0
    assert measured.accuracy is not None and measured.accuracy.networks == 3
    [warning] = warnings(measured, Device(name="board"))
    assert "was measured on an emulated processor" in warning


def test_whoever_measures_on_emulated_arm_from_here_is_warned(
    write_quick: Callable[..., object], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kit = write_quick(tmp_path / "kit")
    target = Target(host="local:", python=shlex.quote(str(PYTHON)), folder=str(tmp_path / "device"))
    with caplog.at_level(logging.WARNING):
        header, windows = run_kit(kit, tmp_path / "samples.jsonl", target=target)  # type: ignore[arg-type]
    assert header["machine"].endswith(", aarch64, emulated"), json.dumps(header)
    assert windows
    assert caplog.text.count("this processor is emulated") == 1


def wait_for(condition: Callable[[], bool], *, seconds: float = 900) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
