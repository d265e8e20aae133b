from __future__ import annotations

import json
import os
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nas.errors import UserError
from nas.tracking import NoTracker, Tracker, WandbTracker, make_tracker, tracker_names

WANDB = {
    "name": "wandb",
    "mode": "offline",
    "project": "tests",
    "entity": None,
    "group": None,
    "init_timeout_s": 10.0,
}


BLOCK = 32768
FULL, LAST = 1, 4


def offline_records(run_dir: Path) -> list[Any]:
    """The records of the one offline run of a run folder."""
    from wandb.proto import wandb_internal_pb2

    [path] = run_dir.glob("wandb/offline-run-*/run-*.wandb")
    deadline = time.monotonic() + 30
    while True:  # wandb's own process writes the file, and may still be at it
        records = [wandb_internal_pb2.Record.FromString(data) for data in leveldb_log(path.read_bytes())]
        if any(record.HasField("exit") for record in records) or time.monotonic() > deadline:
            return records
        time.sleep(0.2)


def leveldb_log(data: bytes) -> Iterator[bytes]:
    """The records of a log in LevelDB's format, behind wandb's header of 7 bytes."""
    assert data[:4] == b":W&B"
    position, parts = 7, b""
    while position + 7 <= len(data):
        if BLOCK - position % BLOCK < 7:  # no room for a header: the rest of the block is padding
            position += BLOCK - position % BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", data, position)
        parts += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (FULL, LAST):
            yield parts
            parts = b""


def test_an_offline_run_of_wandb_can_be_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    model = tmp_path / "model.onnx"
    model.write_bytes(b"onnx")
    tracker = make_tracker(WANDB)
    tracker.start(config={"train": {"epochs": 2}}, run_dir=run_dir, name="first")
    tracker.log({"train/loss": 2.5}, step=1)
    tracker.log({"train/loss": 1.5}, step=2)
    tracker.log({"search/accuracy": 0.75}, step=1)
    tracker.artifact(model, kind="model")
    tracker.finish()

    records = offline_records(run_dir)
    [run] = [record.run for record in records if record.HasField("run")]
    assert (run.project, run.display_name) == ("tests", "first")
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert config["train"] == {"epochs": 2}
    rows = [
        {(item.key or item.nested_key[0]): json.loads(item.value_json) for item in record.history.item}
        for record in records
        if record.HasField("history")
    ]
    kept = [{key: row[key] for key in row if not key.startswith("_")} for row in rows]
    assert kept == [
        {"train/loss": 2.5, "train/step": 1},
        {"train/loss": 1.5, "train/step": 2},
        {"search/accuracy": 0.75, "search/step": 1},
    ]
    axes = {
        record.metric.glob_name: record.metric.step_metric for record in records if record.HasField("metric")
    }
    assert axes["train/*"] == "train/step"
    assert axes["search/*"] == "search/step"
    assert not (tmp_path / "home").exists()  # all that wandb writes is in the run folder
    assert "WANDB_DATA_DIR" not in os.environ


def test_none_records_nothing(tmp_path: Path) -> None:
    tracker = make_tracker({"name": "none"})
    assert tracker == NoTracker()
    tracker.start(config={}, run_dir=tmp_path, name="x")
    tracker.log({"a": 1.0}, step=1)
    tracker.artifact(tmp_path / "x", kind="model")
    tracker.finish()
    assert list(tmp_path.iterdir()) == []


def test_both_are_registered() -> None:
    assert {"none", "wandb"} <= set(tracker_names())
    assert issubclass(WandbTracker, Tracker)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "wandbb"}, "unknown tracker 'wandbb'; did you mean wandb"),
        ({"name": "none", "mode": "offline"}, "unknown option of tracker none 'mode'"),
        (WANDB | {"mode": "ofline"}, "unknown tracker.mode 'ofline'; did you mean offline"),
    ],
)
def test_what_is_unknown_is_a_user_error(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_tracker(options)


def test_without_wandb_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UserError, match="pip install wandb"):
        make_tracker(WANDB).start(config={}, run_dir=tmp_path, name="x")
