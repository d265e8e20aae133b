"""A search that is killed loses no finished evaluation, and ends as if nothing had happened."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest

from nas.errors import UserError
from nas.search.trials.journal import Journal, only_searcher, quiet

ROOT = Path(__file__).resolve().parents[3]
TRIALS = 60

SCRIPT = f"""
import sys, time
from pathlib import Path
from nas.search import search
from tests.search.problems import Scorer, tiny_study, two_goals

class Slow(Scorer):
    def __call__(self, networks):
        time.sleep(float(sys.argv[2]))
        scores = super().__call__(networks)
        with open(Path(sys.argv[1]) / "asked.txt", "a") as stream:
            print(len(scores), file=stream)
        return scores

study = tiny_study(two_goals(Slow(), bound_ms=0.6), sampler="nsga2", trials={TRIALS}, seed=1)
search(study, folder=Path(sys.argv[1]))
"""


def start(folder: Path, pause_s: float) -> subprocess.Popen[bytes]:
    folder.mkdir(exist_ok=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(folder), str(pause_s)], env=environment, cwd=ROOT
    )


def lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


def kill_at(process: subprocess.Popen[bytes], journal: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while lines(journal) < count and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()


def rows(folder: Path) -> list[list[str]]:
    """The trials without their times."""
    table = [line.split(",") for line in (folder / "trials.csv").read_text().splitlines()]
    return [row[:6] for row in table]


def test_a_killed_search_ends_like_another_and_counts_every_evaluation_once(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert start(whole, 0).wait() == 0
    for count in (10, 25, 40):  # the last one long before the end: this process may have to wait for a CPU
        kill_at(start(killed, 0.02), killed / "journal.log", count)
        assert not (killed / "winner.json").exists()
    with (killed / "journal.log").open("a") as stream:
        stream.write('{"op_code": 4, "trunc')  # as if it had been killed while writing
    (killed / "journal.log.lock").touch()
    assert start(killed, 0).wait() == 0
    assert rows(killed) == rows(whole)
    assert (killed / "winner.json").read_text() == (whole / "winner.json").read_text()
    # At most the evaluation that was under way at each kill was done again.
    assert TRIALS <= lines(killed / "asked.txt") <= TRIALS + 3


def test_two_searches_cannot_share_a_folder(tmp_path: Path) -> None:
    message = "another search is running in"
    with only_searcher(tmp_path), pytest.raises(UserError, match=message), only_searcher(tmp_path):
        pass


def test_a_journal_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    with quiet():
        journal = Journal(folder / "journal.log", facts={}, directions=["minimize"])
        shutil.rmtree(folder)
        with pytest.raises(UserError, match=r"cannot be used .* finished evaluations are kept"):
            journal.finish(0, optuna.trial.create_trial(value=1.0))


def test_a_journal_that_cannot_be_opened_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot be used .*; choose a writable folder"):
        Journal(tmp_path, facts={}, directions=["minimize"])
