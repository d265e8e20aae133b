"""A training that is killed, again and again, ends with the weights of one that was not: bit for bit."""

from __future__ import annotations

import csv
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from nas.space import SearchSpace
from nas.training.checkpoint import CheckpointPlan
from nas.training.data import Augment, load_data
from nas.training.optimization import Compute, Hyperparameters
from nas.training.prepared import Prepared
from nas.training.recipes import make_recipe
from nas.training.supernet import SupernetRecipe, train_supernet

ROOT = Path(__file__).resolve().parents[2]
KILLS = 5
EPOCHS = 3
STEPS = EPOCHS * (300 // 64)
FILES = ("weights.safetensors", "supernet.json", "checkpoints/best.safetensors")


def train(folder: Path) -> None:
    """A short training on digits, with all that has a state: augmentation, an average, drawn subnets."""
    torch.set_num_threads(1)
    splits = load_data("digits", seed=0, validation_fraction=0.2, test_fraction=0.2, max_train_images=300)
    data = Prepared.of(splits, augment=Augment(flip=False), compute=Compute.choose("cpu", "none"))
    hyper = Hyperparameters(
        epochs=EPOCHS,
        batch_size=64,
        learning_rate=0.4,
        momentum=0.9,
        weight_decay=1e-5,
        warmup_epochs=1,
        label_smoothing=0.1,
        clip_value=1.0,
        ema_decay=0.9,
    )
    rule = make_recipe("sandwich", {"random_subnets": 1})
    train_supernet(
        SearchSpace.load("tiny_24"),
        data=data,
        recipe=SupernetRecipe(hyper=hyper, rule=rule, calibration_images=64),
        seed=0,
        folder=folder,
        checkpoints=CheckpointPlan(every_s=None, every_steps=1, keep=2, best_every_epochs=2),
    )


def test_killed_and_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    # The server imports PyTorch once; each child is a process of its own, killed for good.
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["sklearn.datasets", "torch._dynamo", __name__])
    whole, killed = tmp_path / "whole", tmp_path / "killed"

    def start(folder: Path) -> multiprocessing.process.BaseProcess:
        process = server.Process(target=train, args=(folder,))
        process.start()
        return process

    reference = start(whole)
    for step in moments():
        process = start(killed)
        kill_after(step, killed / "checkpoints", pid=process.pid, is_alive=process.is_alive)
        process.join()
        assert process.exitcode == -signal.SIGKILL
    last = start(killed)
    for process in (reference, last):
        process.join()
        assert process.exitcode == 0
    assert_equal(killed, whole)


@pytest.mark.long  # a minute: seven processes that each import everything
def test_nas_train_killed_and_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    settings = (
        "space=tiny_24",
        "data.max_train_images=300",
        "compute.torch_device=cpu",
        "train.batch_size=64",
    )
    settings += (f"train.epochs={EPOCHS}", "train.ema_decay=0.9", "train.calibration_images=64")
    settings += ("checkpoint.every_steps=1", "checkpoint.best_every_epochs=2")
    whole, killed = tmp_path / "whole", tmp_path / "killed"

    def start(folder: Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "nas.cli", "train", *settings, f"run_dir={folder}"],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(process: subprocess.Popen[str]) -> str:
        out, err = process.communicate(timeout=600)
        assert process.returncode == 0, err
        return out

    finish(start(whole))
    for step in moments():
        process = start(killed)
        checkpoints = killed / ".supernet.partial" / "checkpoints"
        kill_after(step, checkpoints, pid=process.pid, is_alive=lambda p=process: p.poll() is None)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    assert "resumes where it was interrupted" in finish(start(killed))
    assert_equal(killed / "supernet", whole / "supernet")


def moments() -> list[int]:
    """The steps after which it is killed."""
    return sorted(
        np.random.default_rng(0).choice(np.arange(1, STEPS - 1), size=KILLS, replace=False).tolist()
    )


def kill_after(step: int, folder: Path, *, pid: int | None, is_alive: Callable[[], bool]) -> None:
    """Kills a training that has a checkpoint of ``step`` or a later one, wherever it is by then."""
    while not any(int(path.stem.removeprefix("step-")) >= step for path in folder.glob("step-*.json")):
        assert is_alive(), "it ended before it could be killed"
        time.sleep(0.02)
    time.sleep(0.05 * np.random.default_rng(step).random())
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def assert_equal(killed: Path, whole: Path) -> None:
    for name in FILES:
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), name
    assert losses(killed) == losses(whole)
    kept = {path.name for path in (killed / "checkpoints").iterdir()}
    assert kept == {"best.safetensors"} | {
        f"step-{step:08}.{suffix}" for step in (STEPS, STEPS - 1) for suffix in ("json", "safetensors")
    }


def losses(folder: Path) -> list[dict[str, str]]:
    """The history without what a clock decides."""
    with (folder / "history.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == EPOCHS
    return [{name: value for name, value in row.items() if name != "images_per_s"} for row in rows]
