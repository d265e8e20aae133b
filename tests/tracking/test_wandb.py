"""What only Weights & Biases has: axes, folders, and servers that do not answer."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nas.tracking import make_tracker
from tests.tracking.readers import OPTIONS, history, offline_records, read

OFFLINE = {"name": "wandb", **OPTIONS["wandb"](Path())}
LONGEST_S = 10


@pytest.fixture(autouse=True)
def _no_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)


def test_each_part_of_a_run_has_its_own_axis(tmp_path: Path) -> None:
    tracker = make_tracker(OFFLINE)
    tracker.start(config={}, run_dir=tmp_path, name="first")
    tracker.log({"train/loss": 2.5}, step=1)
    tracker.log({"search/accuracy": 0.75}, step=1)
    tracker.finish()
    records = offline_records(tmp_path)
    assert history(records) == [
        {"train/loss": 2.5, "train/step": 1},
        {"search/accuracy": 0.75, "search/step": 1},
    ]
    axes = {
        record.metric.glob_name: record.metric.step_metric for record in records if record.HasField("metric")
    }
    assert axes["train/*"] == "train/step"
    assert axes["search/*"] == "search/step"
    assert "WANDB_DATA_DIR" not in os.environ


@pytest.fixture(params=["closed", "silent"])
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server that cannot be reached, or one that takes a connection and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        if request.param == "silent":
            listening.listen()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_a_key_without_a_network_is_recorded_offline(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", server)
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    # Less patience than is shipped: a busy machine may need seconds to start wandb's processes.
    tracker = make_tracker({**OFFLINE, "mode": "online", "init_timeout_s": 2.0})
    start = time.monotonic()
    tracker.start(config={"seed": 1}, run_dir=tmp_path, name="first")
    tracker.log({"train/loss": 2.5}, step=1)
    tracker.finish()
    assert time.monotonic() - start < LONGEST_S
    [warning] = [record.message for record in caplog.records if record.name.startswith("nas.")]
    assert "the run is recorded offline" in warning and "wandb sync" in warning
    found = read("wandb", run_dir=tmp_path, folder=tmp_path)
    assert found.metrics == {"train/loss": [(1, 2.5)]}
    assert found.config["seed"] == 1


def test_online_without_a_key(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tracker = make_tracker({**OFFLINE, "mode": "online"})
    tracker.start(config={}, run_dir=tmp_path, name="first")
    tracker.finish()
    assert "recorded offline" in caplog.text
    assert offline_records(tmp_path)


def test_the_shipped_setting_waits_less_than_ten_seconds() -> None:
    from nas.cli.hydra import schema
    from tests.cli.hydra.test_cli_schema import composed

    schema.register()
    tracker: Any = composed("tracker=wandb").tracker
    assert tracker.mode == "offline"
    assert tracker.init_timeout_s <= LONGEST_S - 3  # an offline run is started afterwards
