"""Sweeps by Hydra's launchers: several jobs at a time, or a cluster's queue."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Outcome

Nas = Callable[..., Outcome]


@pytest.mark.parametrize(
    ("launcher", "plugin", "target"),
    [
        ("joblib", "hydra_plugins.hydra_joblib_launcher", "JoblibLauncher"),
        ("submitit_local", "hydra_plugins.hydra_submitit_launcher", "LocalLauncher"),
        ("submitit_slurm", "hydra_plugins.hydra_submitit_launcher", "SlurmLauncher"),
    ],
)
def test_launchers_can_be_chosen(own_folder: Path, nas: Nas, launcher: str, plugin: str, target: str) -> None:
    pytest.importorskip(plugin, reason="no launchers here: pip install 'hwnas[launchers]'")
    composed = nas("train", f"hydra/launcher={launcher}", "--cfg", "hydra", "--package", "hydra.launcher")
    assert composed.code == 0, composed.err
    assert target in composed.out


def test_joblib_runs_the_jobs_of_a_sweep(own_folder: Path, nas: Nas) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="pip install 'hwnas[launchers]'")
    settings = ["cost.classes=10,20", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "--multirun"]
    outcome = nas("cost", "network=mobilenet_v2", "device=laptop_cpu", "run_dir=runs/cost", *settings)
    assert outcome.code == 0, outcome.err
    made = {path.parent.name for path in (own_folder / "runs" / "cost").glob("*/cost")}
    assert made == {"cost.classes-10", "cost.classes-20"}


@pytest.mark.long
def test_the_processes_of_a_submitit_job_train_together(own_folder: Path, nas: Nas) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="pip install 'hwnas[launchers]'")
    settings = [
        "experiment=quickstart",
        "train.epochs=1",
        "data.max_train_images=128",
        "run_dir=runs/job",
        "hydra/launcher=submitit_local",
        "hydra.launcher.tasks_per_node=2",
        "--multirun",
    ]
    outcome = nas("train", *settings)
    assert outcome.code == 0, outcome.err
    folder = own_folder / "runs" / "job"
    assert (folder / "supernet" / "weights.safetensors").is_file()
    assert len(list(folder.glob(".submitit/*/*_log.out"))) == 2
    assert (folder / "nas.log").read_text(encoding="utf-8").count("supernet: done in") == 1
