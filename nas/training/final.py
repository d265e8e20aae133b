"""Training single networks from scratch, all by the same method."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from nas.network import NetworkSpec
from nas.nn import StaticNetwork, zero_residual_scales
from nas.training.checkpoint import Checkpoints
from nas.training.data import Images, resize
from nas.training.evaluation import Accuracy, calibrate, drawn, evaluate
from nas.training.loop import Progress, Task, fit
from nas.training.optimization import Batch, Hyperparameters, Pass, StepResult, at_least_float32
from nas.training.prepared import Prepared
from nas.training.state import Randomness, Row

CALIBRATION_IMAGES = 4096
"""Number of training images for the BatchNorm statistics of averaged weights."""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A network that was trained from scratch.

    Attributes:
        model: The trained module in evaluation mode.
        history: One row per epoch.
        validation: Its accuracy on the validation images.
        test: Its accuracy on the test images, which are read once.
    """

    model: StaticNetwork
    history: list[Row]
    validation: Accuracy
    test: Accuracy


def train_network(
    network: NetworkSpec,
    *,
    data: Prepared,
    hyper: Hyperparameters,
    seed: int,
    checkpoints: Checkpoints | None = None,
    on_step: Callable[[Progress], None] = lambda _: None,
) -> Trained:
    """Trains a network from scratch on the training images and evaluates it.

    Args:
        network: The network, with the classes and channels of the data.
        data: The images.
        hyper: The hyperparameters.
        seed: Determines the initial weights and the order of the images.
        checkpoints: Where the state of the training is saved and resumed from.
        on_step: Called after each step.
    """
    model, history = fit_network(
        network, data=data, hyper=hyper, seed=seed, checkpoints=checkpoints, on_step=on_step
    )

    def measure(images: Images) -> Accuracy:
        batches = data.plain(images, resolution=network.resolution)
        return evaluate(model, batches, compute=data.compute, classes=network.classes)

    return Trained(
        model=model,
        history=history,
        validation=measure(data.splits.validation),
        test=measure(data.splits.test),
    )


def fit_network(
    network: NetworkSpec,
    *,
    data: Prepared,
    hyper: Hyperparameters,
    seed: int,
    checkpoints: Checkpoints | None = None,
    on_step: Callable[[Progress], None] = lambda _: None,
) -> tuple[StaticNetwork, list[Row]]:
    """Trains a network from scratch without evaluating it, with the arguments of :func:`train_network`.

    Returns:
        The module in evaluation mode, and one row per epoch.
    """
    torch.manual_seed(seed)
    model = StaticNetwork(network).to(data.compute.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if hyper.zero_init_residual:
        zero_residual_scales(model)
    task = _task(model, data=data, hyper=hyper, seed=seed)
    history = fit(task, checkpoints=checkpoints, on_step=on_step)
    if hyper.ema_decay:  # the statistics belong to the weights before averaging
        images = drawn(data.splits.train, count=CALIBRATION_IMAGES, seed=seed)
        calibrate(model, (x for x, _ in data.plain(images, resolution=network.resolution)))
    return model.eval(), history


def compiled(model: StaticNetwork, *, backend: str | Callable[..., Any] = "inductor") -> Callable[..., Any]:
    """A network compiled for its own sizes.

    All networks share the code of one class. Without the reset, the second one would be compiled for varying
    sizes, which is slower, and from the ninth on none would be compiled.
    """
    torch.compiler.reset()
    return torch.compile(model, dynamic=False, backend=backend)


def _task(model: StaticNetwork, *, data: Prepared, hyper: Hyperparameters, seed: int) -> Task:
    randomness, resolution = Randomness.of(seed), model.network.resolution
    run = compiled(model) if data.compute.compile else model

    def batches(first: int) -> Iterable[Batch]:
        return data.training(
            batch_size=hyper.batch_size, resolution=resolution, rng=randomness.images, first=first
        )

    def backward(x: Tensor, y: Tensor, *, progress: float) -> StepResult:
        with data.compute.context():
            logits = run(resize(x, resolution))
        loss = F.cross_entropy(at_least_float32(logits), y, label_smoothing=hyper.label_smoothing)
        loss.backward()  # type: ignore[no-untyped-call]
        return StepResult((Pass(name="loss", network="the network", loss=loss.detach()),))

    return Task(
        model=model,
        hyper=hyper,
        compute=data.compute,
        randomness=randomness,
        steps_per_epoch=data.steps(hyper.batch_size),
        batches=batches,
        backward=backward,
    )
