"""Commands in several processes: which one leads, and what only it does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.cli.processes import Place, meeting_point, place
from nas.errors import UserError
from nas.training.distributed import joined
from tests.conftest import Outcome
from tests.training.test_distributed import torchrun

SETTINGS = ("space=tiny_24", "data.max_train_images=100", "train.epochs=1", "train.batch_size=32")
SETTINGS += ("train.calibration_images=32", "compute.torch_device=cpu", "run_dir=run")


@pytest.fixture(autouse=True)
def _nothing_started_us(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS")
    for name in (*names, "SLURM_LOCALID", "SLURM_STEP_NODELIST", "SLURM_JOB_ID", "SUBMITIT_LOCAL_JOB_ID"):
        monkeypatch.delenv(name, raising=False)


def test_two_processes_train_and_one_of_them_keeps_the_books(
    own_folder: Path, nas: Callable[..., Outcome]
) -> None:
    done = torchrun("-m", "nas.cli", "train", *SETTINGS, cwd=own_folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("supernet: done in") == 1, "the second process says nothing"
    run = own_folder / "run"
    assert {path.name for path in run.iterdir()} == {"config.yaml", "nas.log", "provenance.json", "supernet"}
    assert json.loads((run / "provenance.json").read_text())["earlier"] == []
    assert (run / "nas.log").read_text().count("supernet: done in") == 1
    alone = nas("train", *SETTINGS)
    assert alone.code == 0 and "supernet: already done, skipped" in alone.out, "their number decides nothing"


@pytest.mark.long  # half a minute: two more pairs of processes that import everything
def test_two_processes_go_on_from_a_checkpoint_and_one_alone_can_too(own_folder: Path) -> None:
    settings = (*SETTINGS, "train.epochs=2", "checkpoint.every_steps=2")
    assert torchrun("-m", "nas.cli", "train", *settings, cwd=own_folder).returncode == 0
    whole = (own_folder / "run/supernet/weights.safetensors").read_bytes()
    for processes in (2, 1):
        (own_folder / "run/supernet").rename(own_folder / "run/.supernet.partial")
        record = own_folder / "run/.supernet.partial/step.json"
        kept = {
            k: v
            for k, v in json.loads(record.read_text()).items()
            if k in ("schema", "step", "settings", "inputs")
        }
        record.write_text(json.dumps(kept))
        for path in (own_folder / "run/.supernet.partial/checkpoints").glob("step-00000006.*"):
            path.unlink()
        done = torchrun("-m", "nas.cli", "train", *settings, cwd=own_folder, processes=processes)
        assert done.returncode == 0, done.stderr
        assert "resumes where it was interrupted" in done.stdout
        if processes == 2:
            assert (own_folder / "run/supernet/weights.safetensors").read_bytes() == whole


def test_a_command_that_is_one_process_says_so(
    monkeypatch: pytest.MonkeyPatch, nas: Callable[..., Outcome]
) -> None:
    for name, value in {"RANK": "0", "WORLD_SIZE": "4", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    done = nas("search", "run_dir=run")
    assert done.code == 2
    assert "nas search is one process, and 4 were started; start it alone" in done.err


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, Place()),
        ({"RANK": "3", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}, Place(index=3, count=8, local_index=1)),
        ({"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}, Place()),
        (
            {"SLURM_PROCID": "9", "SLURM_STEP_NUM_TASKS": "16", "SLURM_LOCALID": "1"},
            Place(index=9, count=16, local_index=1),
        ),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "16", "SLURM_LOCALID": "0"}, Place()),  # a batch script
        (
            {"SUBMITIT_LOCAL_GLOBALID": "1", "SUBMITIT_LOCAL_NTASKS": "2", "SUBMITIT_LOCAL_LOCALID": "1"},
            Place(index=1, count=2, local_index=1),
        ),
    ],
)
def test_what_started_a_process_says_its_place(
    variables: dict[str, str], expected: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert place() == expected
    assert place().leads == (expected.index == 0)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"MASTER_ADDR": "head"}, None),
        ({}, "tcp://127.0.0.1:20000"),
        ({"SLURM_STEP_NODELIST": "gpu[03-07,09],b1", "SLURM_JOB_ID": "20007"}, "tcp://gpu03:20007"),
        ({"SLURM_STEP_NODELIST": "gpu-a3,gpu-a4", "SLURM_JOB_ID": "12"}, "tcp://gpu-a3:20012"),
        ({"SUBMITIT_LOCAL_JOB_ID": "41234"}, "tcp://127.0.0.1:21234"),
    ],
)
def test_where_processes_meet(
    variables: dict[str, str], expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert meeting_point() == expected


def test_processes_that_cannot_meet_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MASTER_PORT", raising=False)
    with (
        pytest.raises(
            UserError, match=r"the 2 processes of this training cannot reach each other .*torchrun"
        ),
        joined(0, count=2, local_index=0, device="cpu"),
    ):
        pass
