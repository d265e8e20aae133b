"""Trackers that fail, and options that are wrong."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from nas.errors import UserError
from nas.tracking import Artifact, Guard, Table, Tracker, make_tracker
from tests.tracking.readers import OPTIONS


@dataclass(frozen=True, kw_only=True)
class Failing(Tracker):
    """Fails at the methods that it is given."""

    NAME = "failing"

    fails: tuple[str, ...]
    calls: list[str] = field(default_factory=list)

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if name in self.fails:
            raise ConnectionError("the server is gone\nand more")

    def start(self, **_: Any) -> None:
        self._call("start")

    def log(self, metrics: Any, *, step: int) -> None:
        self._call("log")

    def artifact(self, artifact: Artifact) -> None:
        self._call("artifact")

    def table(self, table: Table) -> None:
        self._call("table")

    def page(self, path: Path, *, name: str) -> None:
        self._call("page")

    def finish(self) -> None:
        self._call("finish")


METHODS = ("start", "log", "artifact", "table", "page", "finish")


def use(tracker: Tracker, folder: Path) -> None:
    tracker.start(config={}, run_dir=folder, name="x")
    tracker.log({"a/b": 1.0}, step=1)
    tracker.artifact(Artifact(name="a", kind="table", files={}, digest="0" * 64))
    tracker.table(Table(name="t", columns=("a",), rows=()))
    tracker.page(folder / "report.html", name="report")
    tracker.finish()


@pytest.mark.parametrize("method", METHODS)
def test_a_failure_warns_once_and_ends_the_tracking(
    method: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    inner = Failing(fails=(method, "finish"))
    use(Guard(inner=inner), tmp_path)
    assert inner.calls == list(METHODS[: METHODS.index(method) + 1]) + ["finish"] * (method != "finish")
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.message.endswith("goes on without it: ConnectionError: the server is gone")


def test_a_tracker_that_works_gets_everything(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    inner = Failing(fails=())
    use(Guard(inner=inner), tmp_path)
    assert tuple(inner.calls) == METHODS
    assert not caplog.records


def test_what_cannot_be_prepared_for_a_tracker_is_its_failure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def recording(tracker: Tracker) -> None:
        tracker.log({"a/b": 1.0}, step=1)
        (tmp_path / "missing.json").read_text()

    inner = Failing(fails=())
    guard = Guard(inner=inner)
    guard.record(recording)
    guard.record(recording)
    assert inner.calls == ["log"]
    [record] = caplog.records
    assert "goes on without it: FileNotFoundError" in record.message


def made(name: str) -> Tracker:
    return make_tracker({"name": name, **OPTIONS[name](Path())})


@pytest.mark.parametrize(
    ("name", "module", "message"),
    [
        ("wandb", "wandb", "pip install wandb"),
        ("mlflow", "mlflow", r"pip install 'hwnas\[mlflow\]'"),
        ("tensorboard", "torch.utils.tensorboard", r"pip install 'hwnas\[tensorboard\]'"),
    ],
)
def test_a_missing_package_ends_the_command(
    name: str, module: str, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError, match=message):
        Guard(inner=made(name)).start(config={}, run_dir=tmp_path, name="x")


def test_a_server_of_mlflow_that_is_gone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("mlflow", reason="pip install 'hwnas[mlflow]'")
    options = {"name": "mlflow", **OPTIONS["mlflow"](tmp_path), "store": "http://127.0.0.1:9"}
    use(Guard(inner=make_tracker(options)), tmp_path)
    assert [record.message.split(":")[0] for record in caplog.records if "tracker" in record.message] == [
        "tracker mlflow failed, and the run goes on without it"
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "wandbb"}, "unknown tracker 'wandbb'; did you mean wandb"),
        ({"name": "none", "mode": "offline"}, "unknown option of tracker none 'mode'"),
        (
            {"name": "wandb", **OPTIONS["wandb"](Path()), "mode": "ofline"},
            "unknown tracker.mode 'ofline'; did you mean offline",
        ),
    ],
)
def test_what_is_unknown_is_a_user_error(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_tracker(options)
