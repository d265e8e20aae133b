"""``kill -9`` of whatever measures a table: no finished sample is lost, and the same command goes on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from nas.files import remove
from nas.latency import BlockModel, load_table
from nas.runner.samples import read_samples
from tests.cli.steps.test_cli_pipeline import write_project
from tests.faults.killing import command, whole_lines
from tests.latency.targets.devices import write_script
from tests.processes import Started, start

SETTINGS = ("experiment=mini", "run_dir=runs/mini", "table.budget=1s")
SSH = """#!/bin/sh
# Reaches this machine as if it were another one: ssh OPTIONS -- ADDRESS SCRIPT
while [ "$1" != -- ]; do shift; done
cd "$(dirname "$0")/.." && exec sh -c "$3"
"""


@dataclass(frozen=True)
class Way:
    """A way to measure a table.

    Attributes:
        start: Starts the measurement.
        samples: The file that grows meanwhile, wherever it lies at the moment.
        table: The table in the end.
        again: Removes what a finished measurement has written.
    """

    start: Callable[[], Started]
    samples: Callable[[], Path | None]
    table: Path
    again: Callable[[], None]


def nas_table(folder: Path, *settings: str, environment: Mapping[str, str] | None = None) -> Way:
    def samples() -> Path | None:
        return next(iter((folder / "runs").glob("mini/*table*/samples.jsonl")), None)

    return Way(
        command(folder, "table", *SETTINGS, *settings, environment=environment),
        samples,
        folder / "runs" / "mini" / "table" / "mini-this_machine.json",
        lambda: remove(folder / "runs"),
    )


def here(folder: Path) -> Way:
    return nas_table(folder)


def in_a_process(folder: Path) -> Way:
    return nas_table(folder, "device.threads=2")


def by_ssh(folder: Path) -> Way:
    write_script(folder / "bin" / "ssh", SSH)
    path = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    return nas_table(folder, "table.host=board", f"table.remote.python={sys.executable}", environment=path)


def with_a_kit(folder: Path) -> Way:
    ended = command(folder, "kit", *SETTINGS, "kit.zip=true")().wait()
    assert ended.returncode == 0, ended.stderr
    [kit] = (folder / "runs/mini/kit").glob("*.zip")
    words = (str(kit.with_name("measure.pyz")), str(kit), str(folder / "far.json"))
    samples = folder / "far.samples.jsonl"
    return Way(
        lambda: start(*words, folder=folder),
        lambda: samples if samples.exists() else None,
        folder / "far.json",
        lambda: remove(samples),
    )


Make = Callable[[Path], Way]
WAYS = (here, in_a_process, by_ssh, with_a_kit)


def children(parent: int) -> list[int]:
    """The processes that a process has started."""
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, text=True, check=False
    )
    return [int(pid) for pid in listed.stdout.split()]


def kill_again_and_again(way: Way, *, kills: int, longest_s: float, rng: random.Random) -> None:
    """Kills the command or what it has started, at random, and lets it end at last."""
    before = b""
    while kills:
        started = way.start()
        if not started.runs_for(rng.uniform(0, longest_s)):
            ended = started.wait()
            assert ended.returncode == 0, ended.stderr
            check(way, before)
            way.again()
            before, longest_s = b"", longest_s / 1.5
            continue
        victim = rng.choice([started.pid, *children(started.pid)])
        with suppress(ProcessLookupError):  # it has ended since it was listed
            os.kill(victim, signal.SIGKILL)
            kills -= 1
        ended = started.wait()
        if victim != started.pid:
            assert ended.returncode in (0, 2), ended.stderr
            assert len(ended.stderr.splitlines()) <= 1, ended.stderr
            assert not ended.returncode or "the same command resumes" in ended.stderr
        path = way.samples()
        now = whole_lines(path) if path else b""
        assert now.startswith(before)
        before = now
    ended = way.start().wait()
    assert ended.returncode == 0, ended.stderr
    check(way, before)


def check(way: Way, before: bytes) -> None:
    path = way.samples()
    assert path is not None
    assert path.read_bytes().startswith(before)
    header, windows = read_samples(path)
    assert header is not None
    twice = [key for key, n in Counter((w.entry, w.round) for w in windows).items() if n > 1]
    assert not twice
    model = load_table(way.table).model
    assert isinstance(model, BlockModel)
    assert len(model.costs) == 23


@pytest.mark.parametrize("make", WAYS)
def test_a_measurement_that_is_killed(tmp_path: Path, make: Make) -> None:
    write_project(tmp_path)
    kill_again_and_again(make(tmp_path), kills=2, longest_s=1.5, rng=random.Random(0))


@pytest.mark.long
@pytest.mark.parametrize("make", WAYS)
def test_a_measurement_that_is_killed_twenty_times(tmp_path: Path, make: Make) -> None:
    write_project(tmp_path)
    kill_again_and_again(make(tmp_path), kills=20, longest_s=2.5, rng=random.Random(1))
