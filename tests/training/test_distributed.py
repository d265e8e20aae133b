"""Several processes that train together: real ones, under torchrun, with gloo."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from nas.errors import UserError
from nas.training.distributed import Processes, check_batch_size
from tests.training import distributed_worker as worker

ROOT = Path(__file__).resolve().parents[2]


def torchrun(*arguments: str, processes: int = 2, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Runs a script or module in several processes."""
    launcher = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        f"--nproc_per_node={processes}",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [*launcher, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes found."""
    folder = tmp_path_factory.mktemp("two")
    done = torchrun(str(ROOT / "tests/training/distributed_worker.py"), str(folder))
    assert done.returncode == 0, done.stderr
    return folder


def test_two_processes_give_the_losses_of_one_with_the_doubled_batch(two: Path) -> None:
    found, alone = json.loads((two / "evaluation.json").read_text()), worker.train(in_training=False)
    losses = np.array(alone["losses"])
    assert losses.shape == (worker.STEPS, 3)
    assert np.ptp(losses, axis=0).min() > 1e-3, "every step has losses of its own"
    np.testing.assert_allclose(found["losses"], losses, rtol=0, atol=1e-8)
    np.testing.assert_allclose(found["weights"], alone["weights"], rtol=0, atol=1e-5)
    assert found["accuracy"] == alone["accuracy"]


def test_in_training_mode_the_statistics_are_those_of_each_process(two: Path) -> None:
    found, alone = json.loads((two / "training.json").read_text()), worker.train(in_training=True)
    difference = np.abs(np.array(found["losses"]) - np.array(alone["losses"]))
    assert difference[0].max() > 1e-4, "BatchNorm sees 8 or 9 images where one process sees 17"
    assert difference.max() < 1.0


def test_one_process_needs_no_others() -> None:
    processes = Processes.current()
    assert processes == Processes() and processes.leads
    value = torch.tensor([3])
    assert processes.total(value) is value and processes.of_all(value).shape == (1, 1)
    assert processes.leaders(7) == 7
    with processes.leader_first():
        pass


def test_more_processes_than_images_a_step_are_refused() -> None:
    check_batch_size(4, Processes(count=4))
    with pytest.raises(UserError, match=r"batch_size=3 leaves some of 4 processes .* give at least 4"):
        check_batch_size(3, Processes(count=4))
