"""Checkpoints on disk: what is kept, what is refused, what happens to damaged ones."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from nas.errors import UserError
from nas.training.checkpoint import BEST, Checkpoint, CheckpointPlan, Checkpoints, _digest
from nas.training.weights import load_weights


def plan(*, keep: int = 2, every_s: float | None = None, every_steps: int | None = None) -> CheckpointPlan:
    return CheckpointPlan(every_s=every_s, every_steps=every_steps, keep=keep, best_every_epochs=3)


def checkpoint(step: int) -> Checkpoint:
    tensors = {"weight": torch.full((3, 4), float(step)), "random": torch.arange(5, dtype=torch.uint8)}
    return Checkpoint(step=step, tensors=tensors, values={"rate": 0.1 + step, "state": 2**100 + 1})


def written(folder: Path, *, steps: int = 3) -> Checkpoints:
    checkpoints = Checkpoints(folder=folder, plan=plan(), about={"seed": (0, 1)})
    for step in range(1, steps + 1):
        checkpoints.write(checkpoint(step))
    return checkpoints


def test_the_last_two_are_kept_and_read_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    checkpoints = written(tmp_path, steps=12)
    (tmp_path / ".step-00000013.abc.safetensors").write_bytes(b"half written")
    checkpoints.write(checkpoint(12))
    assert checkpoints.steps() == [12, 11]
    assert len(list(tmp_path.iterdir())) == 4
    found = checkpoints.latest()
    assert found is not None and found.step == 12 and not caplog.messages
    assert found.values == checkpoint(12).values
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in checkpoint(12).tensors.items())


@pytest.mark.parametrize("suffix", ["json", "safetensors"])
@pytest.mark.parametrize("damage", ["cut off", "changed", "missing"])
def test_a_damaged_one_is_passed_over_and_this_is_logged(
    suffix: str, damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints = written(tmp_path)
    path = tmp_path / f"step-00000003.{suffix}"
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "cut off":
        path.write_bytes(content[:-20])
    else:  # still JSON, still tensors
        old, new = (b"3.1", b"3.2") if suffix == "json" else (content[-9:-8], bytes([content[-9] ^ 1]))
        assert old in content
        path.write_bytes(new.join(content.rsplit(old, 1)))
    found = checkpoints.latest()
    assert found is not None and found.step == 2
    assert len(caplog.messages) == 1 and "step-00000003.safetensors is damaged" in caplog.messages[0]


def test_without_a_whole_one_there_is_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    checkpoints = written(tmp_path, steps=0)
    assert checkpoints.latest() is None and checkpoints.last() == "there is no checkpoint yet"
    checkpoints.write(checkpoint(1))
    assert checkpoints.last().endswith("step-00000001.safetensors")
    (tmp_path / "step-00000001.safetensors").write_bytes(b"")
    assert checkpoints.latest() is None and len(caplog.messages) == 1


def test_one_of_a_training_with_other_settings_is_refused(tmp_path: Path) -> None:
    written(tmp_path)
    other = Checkpoints(folder=tmp_path, plan=plan(), about={"seed": 1})
    with pytest.raises(UserError, match="belong to a training with other settings; remove that folder"):
        other.latest()


def test_one_of_another_version_is_refused(tmp_path: Path) -> None:
    checkpoints = written(tmp_path)
    path = tmp_path / "step-00000003.json"
    record = {**json.loads(path.read_text()), "schema": 0}
    del record["sha256"]
    path.write_text(json.dumps({**record, "sha256": _digest(record)}))
    with pytest.raises(UserError, match="other settings"):
        checkpoints.latest()


def test_the_best_are_weights_that_can_be_loaded(tmp_path: Path) -> None:
    checkpoints = written(tmp_path)
    model = nn.Linear(2, 3)
    checkpoints.write_best(model, accuracy=0.75, epoch=6)
    again = nn.Linear(2, 3)
    metadata = load_weights(again, tmp_path / BEST)
    assert torch.equal(model.weight, again.weight)
    assert json.loads(metadata["best"]) == {"epoch": 6, "validation_accuracy": 0.75}
    assert checkpoints.steps() == [3, 2]


def test_they_are_due_by_steps_and_by_time() -> None:
    assert [step for step in range(1, 10) if plan(every_steps=4).is_due_by_steps(step)] == [4, 8]
    assert not plan().is_due_by_steps(4) and not plan().is_due_by_time(0.0)
    assert plan(every_s=60).is_due_by_time(time.monotonic() - 61)
    assert not plan(every_s=60).is_due_by_time(time.monotonic() - 59)
    assert [epoch for epoch in range(1, 10) if plan().looks_after(epoch)] == [3, 6, 9]


def test_plans_that_make_no_sense_are_refused() -> None:
    with pytest.raises(UserError, match=r"checkpoint.keep is 0; give at least 1"):
        plan(keep=0)
    with pytest.raises(UserError, match=r"checkpoint.every_steps is 0; give at least 1, or null"):
        plan(every_steps=0)
    with pytest.raises(UserError, match=r"checkpoint.best_every_epochs is -1; give 0 or more"):
        CheckpointPlan(every_s=None, every_steps=None, keep=1, best_every_epochs=-1)
