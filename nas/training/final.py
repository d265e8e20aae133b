"""Training chosen networks to completion, all in the same way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from nas.network import NetworkSpec
from nas.nn import StaticNetwork
from nas.training.data import Images, resize
from nas.training.evaluation import Accuracy, evaluate
from nas.training.optimization import Hyperparameters, Pass, StepResult, fit
from nas.training.prepared import Prepared


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A network that was trained from scratch.

    Attributes:
        model: The trained module, in evaluation mode.
        history: One row an epoch.
        validation: Its accuracy on the validation images.
        test: Its accuracy on the test images, read this once.
    """

    model: StaticNetwork
    history: list[dict[str, float]]
    validation: Accuracy
    test: Accuracy


def train_network(
    network: NetworkSpec,
    *,
    data: Prepared,
    hyper: Hyperparameters,
    seed: int,
    on_step: Callable[[], None] = lambda: None,
) -> Trained:
    """Trains a network from scratch on the training images and evaluates it.

    Args:
        network: The network; its class count and input channels are those of the data.
        data: The images.
        hyper: How to train.
        seed: Decides the initial weights and the order of the images.
        on_step: Called after each step.
    """
    model, history = fit_network(network, data=data, hyper=hyper, seed=seed, on_step=on_step)

    def measure(images: Images) -> Accuracy:
        return evaluate(model, data.plain(images, resolution=network.resolution), compute=data.compute)

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
    on_step: Callable[[], None] = lambda: None,
) -> tuple[StaticNetwork, list[dict[str, float]]]:
    """Trains a network from scratch and looks at training images only; arguments as above.

    Returns:
        The module, in evaluation mode, and one row an epoch.
    """
    torch.manual_seed(seed)
    model = StaticNetwork(network).to(data.compute.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    order = torch.Generator().manual_seed(seed)
    history: list[dict[str, float]] = []

    def backward(x: Tensor, y: Tensor, *, progress: float) -> StepResult:
        with data.compute.context():
            logits = model(resize(x, network.resolution))
        loss = F.cross_entropy(logits.float(), y, label_smoothing=hyper.label_smoothing)
        loss.backward()  # type: ignore[no-untyped-call]
        return StepResult((Pass(name="loss", network="the network", loss=loss.detach()),))

    fit(
        model,
        hyper=hyper,
        epoch_batches=lambda: data.training(
            batch_size=hyper.batch_size, resolution=network.resolution, rng=order
        ),
        steps_per_epoch=data.steps(hyper.batch_size),
        backward=backward,
        on_step=on_step,
        on_epoch=history.append,
    )
    return model.eval(), history
