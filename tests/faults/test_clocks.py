"""A clock that is set back or forward while a run works: nothing breaks, and no duration is negative."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

from tests.cli.steps.test_cli_pipeline import write_project
from tests.faults.killing import results, rows
from tests.faults.test_kills import SETTINGS
from tests.processes import ROOT, start

SET_CLOCK = """
import datetime, itertools, runpy, sys, time

step_s = float(sys.argv.pop(1))
true_time, Date, count = time.time, datetime.datetime, itertools.count(1)

def now():
    return true_time() + step_s * next(count)

class Jumping(Date):
    @classmethod
    def now(cls, tz=None):
        return Date.fromtimestamp(now(), tz)

    @classmethod
    def utcnow(cls):
        return Date.fromtimestamp(now(), datetime.timezone.utc).replace(tzinfo=None)

time.time, time.time_ns = now, lambda: int(1e9 * now())
for module in [m for name, m in sys.modules.items() if name.startswith(("nas", "optuna", "datetime"))]:
    for name, value in list(vars(module).items()):
        if value is Date:
            setattr(module, name, Jumping)
        elif value is true_time:
            setattr(module, name, now)
sys.argv[0] = "nas"
runpy.run_module("nas.cli", run_name="__main__", alter_sys=True)
"""


def test_runs_whose_clock_is_set_at_every_reading(tmp_path: Path) -> None:
    write_project(tmp_path)
    folders = {}
    for step_s in (0.0, -3600.0, 86400.0):
        folders[step_s] = tmp_path / str(step_s) / "mini"  # one begins with a dash, like an option
        words = ["-c", SET_CLOCK, str(step_s), "run", *SETTINGS, f"run_dir={step_s}/mini"]
        ended = start(*words, folder=tmp_path, path=[str(ROOT)]).wait()
        assert ended.returncode == 0, ended.stderr
        assert not re.search(r"-\d+(\.\d)? s\b|-\d+:\d\d", ended.stdout)
        check_durations(folders[step_s], was_set=step_s != 0)
    steady, *others = map(results, folders.values())
    assert others == [steady, steady]


def check_durations(run_dir: Path, *, was_set: bool) -> None:
    """No duration is negative."""
    date = datetime.fromisoformat(json.loads((run_dir / "provenance.json").read_text())["date"])
    assert (abs((datetime.now(UTC) - date).total_seconds()) >= 3600) == was_set
    for path in run_dir.rglob("step.json"):
        assert json.loads(path.read_text())["seconds"] >= 0
    head, *body = rows(run_dir / "search" / "trials.csv")
    assert all(float(row[head.index("seconds")]) >= 0 for row in body)
    for path in run_dir.rglob("samples.jsonl"):
        windows = [json.loads(line) for line in path.read_text().splitlines()[1:]]
        assert all(us > 0 for window in windows for us in window["samples"])
        assert all(window["took"] >= 0 for window in windows)
