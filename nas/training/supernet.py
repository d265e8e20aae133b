"""Training a supernet, and finding a trained one again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nas.errors import UserError
from nas.files import write_json
from nas.nn import Supernet
from nas.space import SearchSpace
from nas.training.evaluation import SubnetEvaluator
from nas.training.optimization import Hyperparameters, fit
from nas.training.prepared import Prepared
from nas.training.recipes import Recipe, Trainee
from nas.training.tables import write_csv
from nas.training.weights import load_weights, save_weights

WEIGHTS = "weights.safetensors"
HISTORY = "history.csv"
SUMMARY = "supernet.json"


@dataclass(frozen=True, kw_only=True)
class SupernetRecipe:
    """How a supernet is trained.

    Attributes:
        hyper: The optimisation.
        rule: How subnets are drawn and taught.
        calibration_images: Training images that a subnet's BatchNorm statistics are computed on.
    """

    hyper: Hyperparameters
    rule: Recipe
    calibration_images: int


def train_supernet(
    space: SearchSpace,
    *,
    data: Prepared,
    recipe: SupernetRecipe,
    seed: int,
    folder: Path,
    on_start: Callable[[int], None] = lambda _: None,
    on_step: Callable[[], None] = lambda: None,
    on_epoch: Callable[[dict[str, float]], None] = lambda _: None,
) -> Supernet:
    """Trains a supernet and writes its weights, its history and a summary into ``folder``.

    Args:
        space: The search space.
        data: Training and validation images.
        recipe: How to train.
        seed: Decides the initial weights, the order of the images and the subnets drawn.
        folder: Where the files go.
        on_start: Called with the number of steps.
        on_step: Called after each step.
        on_epoch: Called after each epoch with its row of the history.
    """
    torch.manual_seed(seed)
    supernet = Supernet(space, classes=len(data.splits.classes), input_channels=data.splits.channels)
    supernet.to(data.compute.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    hyper = recipe.hyper
    trainee = Trainee(
        supernet=supernet,
        compute=data.compute,
        rng=np.random.default_rng(seed),
        label_smoothing=hyper.label_smoothing,
    )
    order = torch.Generator().manual_seed(seed)
    resolution = max(space.resolutions)
    history: list[dict[str, float]] = []

    def epoch_done(row: dict[str, float]) -> None:
        history.append(row)
        on_epoch(row)

    on_start(hyper.epochs * data.steps(hyper.batch_size))
    fit(
        supernet,
        hyper=hyper,
        epoch_batches=lambda: data.training(batch_size=hyper.batch_size, resolution=resolution, rng=order),
        steps_per_epoch=data.steps(hyper.batch_size),
        backward=recipe.rule.build(trainee).backward,
        on_step=on_step,
        on_epoch=epoch_done,
    )
    _save(supernet, data=data, recipe=recipe, seed=seed, folder=folder, history=history)
    return supernet


def _save(
    supernet: Supernet,
    *,
    data: Prepared,
    recipe: SupernetRecipe,
    seed: int,
    folder: Path,
    history: list[dict[str, float]],
) -> None:
    evaluator = subnet_evaluator(supernet, data=data, recipe=recipe, seed=seed)
    space = supernet.space
    extremes = {"largest": space.network(space.largest()), "smallest": space.network(space.smallest())}
    accuracy = {name: evaluator.accuracy(network).value for name, network in extremes.items()}
    summary: dict[str, Any] = {
        "space": supernet.space.name,
        "classes": list(data.splits.classes),
        "input_channels": supernet.input_channels,
        "mean": list(data.normalize.mean),
        "std": list(data.normalize.std),
        "validation_accuracy": accuracy,
    }
    write_csv(folder / HISTORY, history)
    save_weights(supernet, folder / WEIGHTS, metadata={"space": supernet.space.name})
    write_json(folder / SUMMARY, summary)


def subnet_evaluator(
    supernet: Supernet, *, data: Prepared, recipe: SupernetRecipe, seed: int
) -> SubnetEvaluator:
    """The evaluator of a supernet's subnets on the validation images."""
    return SubnetEvaluator.of(
        supernet,
        train=data.splits.train,
        validation=data.splits.validation,
        normalize=data.normalize,
        compute=data.compute,
        calibration_images=recipe.calibration_images,
        seed=seed,
    )


def load_supernet(space: SearchSpace, folder: Path, *, device: torch.device) -> Supernet:
    """Reads a trained supernet of ``space``.

    Raises:
        UserError: If the folder holds none, or one of another space.
    """
    path = folder / SUMMARY
    if not path.is_file():
        raise UserError(f"{folder} holds no trained supernet; run `nas train` with the same run_dir first")
    summary = json.loads(path.read_text(encoding="utf-8"))
    if summary["space"] != space.name:
        raise UserError(
            f"the supernet in {folder} was trained for the space {summary['space']}, not {space.name}; "
            f"set space={summary['space']} or another run_dir"
        )
    supernet = Supernet(space, classes=len(summary["classes"]), input_channels=summary["input_channels"])
    load_weights(supernet, folder / WEIGHTS)
    supernet.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return supernet.eval()
