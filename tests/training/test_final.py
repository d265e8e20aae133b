"""Training a single network: blended images and early stopping."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nas.errors import UserError
from nas.network import NetworkSpec
from nas.training.checkpoint import CheckpointPlan, Checkpoints
from nas.training.data import Mix
from nas.training.evaluation import evaluate
from nas.training.final import Method, fit_network
from nas.training.loop import Progress
from nas.training.optimization import Hyperparameters
from tests.training.recipes.digits import digits, small_space

EPOCHS = 4


def hyper(**changes: float) -> Hyperparameters:
    values = {
        "epochs": EPOCHS,
        "batch_size": 256,
        "learning_rate": 0.4,
        "momentum": 0.9,
        "weight_decay": 1e-5,
    }
    values |= {"warmup_epochs": 1, "label_smoothing": 0.1, "clip_value": 1.0}
    return Hyperparameters(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def network() -> NetworkSpec:
    space = small_space()
    return space.network(space.smallest(), classes=10, input_channels=1)


def accuracy(model: torch.nn.Module, network: NetworkSpec) -> float:
    data = digits()
    images = data.plain(data.splits.validation, resolution=network.resolution)
    return evaluate(model, images, compute=data.compute).value


@pytest.mark.parametrize("mix", [Mix(mixup=0.2), Mix(cutmix=1.0)])
def test_a_network_learns_from_blended_images(network: NetworkSpec, mix: Mix) -> None:
    model, history = fit_network(network, data=digits(), hyper=hyper(), seed=0, method=Method(mix=mix))
    assert history[-1]["loss"] < history[0]["loss"]
    assert accuracy(model, network) > 0.3


@pytest.mark.parametrize("ema_decay", [0.0, 0.5])
def test_a_training_that_stops_early_takes_its_best_epoch(network: NetworkSpec, ema_decay: float) -> None:
    wild = hyper(epochs=12, learning_rate=12.0, warmup_epochs=2, ema_decay=ema_decay)
    model, history = fit_network(network, data=digits(), hyper=wild, seed=0, method=Method(patience=2))
    values = [row["validation_accuracy"] for row in history]
    assert len(values) < 12, f"it stopped: {values}"
    assert max(values) not in values[-2:]
    assert max(values[:-2]) == max(values) == values[-3]
    assert accuracy(model, network) == max(values)


def test_a_killed_training_stops_at_the_same_epoch(network: NetworkSpec, tmp_path: Path) -> None:
    method = Method(mix=Mix(mixup=0.2, cutmix=1.0), patience=1)
    plan = CheckpointPlan(every_s=None, every_steps=3, keep=2, best_every_epochs=1)
    checkpoints = Checkpoints(folder=tmp_path, plan=plan, about={})
    settings = hyper(epochs=8, learning_rate=12.0, ema_decay=0.5)
    whole, history = fit_network(network, data=digits(), hyper=settings, seed=0, method=method)
    assert len(history) < 8

    def interrupt(progress: Progress) -> None:
        if progress.step == len(history) * progress.steps // 8 - 1:  # within the last epoch
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_network(
            network,
            data=digits(),
            hyper=settings,
            seed=0,
            method=method,
            checkpoints=checkpoints,
            on_step=interrupt,
        )
    again, rows = fit_network(
        network, data=digits(), hyper=settings, seed=0, method=method, checkpoints=checkpoints
    )
    assert [row | {"images_per_s": 0} for row in rows] == [row | {"images_per_s": 0} for row in history]
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name


def test_a_negative_patience_is_refused() -> None:
    with pytest.raises(UserError, match="patience is -1; give a number of epochs, 0 for none"):
        Method(patience=-1)
