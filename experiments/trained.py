"""Training and judging an experiment's networks, as ``nas finish`` does."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from nas.cli.steps.context import Context, checkpoint_plan, hyperparameters
from nas.cli.steps.final.method import method
from nas.network import NetworkSpec
from nas.training.history_csv import write_csv

if TYPE_CHECKING:
    import numpy as np

    from nas.nn import StaticNetwork

OUTPUTS = ("correct.npy", "history.csv")
"""The files of a training."""


def train(
    base: Context,
    network: NetworkSpec,
    folder: Path,
    *,
    seed: int,
    source: StaticNetwork | None = None,
    epochs: int | None = None,
) -> None:
    """Trains a network and writes ``OUTPUTS``; an interrupted training is resumed.

    Args:
        base: The run, with the training's settings in ``finish``.
        network: The network.
        folder: The folder.
        seed: Determines the initial weights and the order of images.
        source: A network with the weights to start from; random ones by default.
        epochs: Epochs; those of the settings by default.
    """
    from nas.training.checkpoint import Checkpoints
    from nas.training.final import fit_network

    hyper = hyperparameters(base.config.finish)
    hyper = hyper if epochs is None else dataclasses.replace(hyper, epochs=epochs)
    model, history = fit_network(
        network,
        data=base.data,
        hyper=hyper,
        seed=seed,
        method=method(base),
        source=source,
        checkpoints=Checkpoints(
            folder=folder / "checkpoints",
            plan=checkpoint_plan(base.config.checkpoint),
            about={"network": network.to_dict(), "epochs": hyper.epochs, "seed": seed},
        ),
    )
    judge(base, model, folder)
    write_csv(folder / "history.csv", history)


def judge(base: Context, model: StaticNetwork, folder: Path) -> None:
    """Writes which test images a trained network classifies correctly, as ``correct.npy``."""
    import numpy as np
    import torch

    with torch.no_grad(), base.compute.context():
        batches = base.data.plain(base.data.splits.test, resolution=model.network.resolution)
        correct = torch.cat([model(x).argmax(1) == y for x, y in batches])
    np.save(folder / "correct.npy", correct.cpu().numpy())


def correct_images(folder: Path) -> np.ndarray | None:
    """Which test images a network classifies correctly; ``None`` if its training is not complete."""
    import numpy as np

    return np.load(folder / "correct.npy") if folder.is_dir() else None
