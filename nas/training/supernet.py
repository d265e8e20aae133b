"""Training a supernet, and loading a trained one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from nas.errors import UserError
from nas.files import fields_of, read_json, write_json
from nas.nn import Supernet, zero_residual_scales
from nas.pretrained import Inherited, Start
from nas.space import SearchSpace
from nas.training.checkpoint import FOLDER as CHECKPOINTS
from nas.training.checkpoint import CheckpointPlan, Checkpoints
from nas.training.data import Normalization
from nas.training.evaluation import SubnetEvaluator, drawn
from nas.training.history_csv import write_csv
from nas.training.loop import Progress, Task, fit
from nas.training.optimization import ALL_NEW, Batch, Hyperparameters, Tuning
from nas.training.prepared import Prepared
from nas.training.recipes import Recipe, Trainee
from nas.training.state import Randomness, Row
from nas.training.weights import load_weights, save_weights

WEIGHTS = "weights.safetensors"
HISTORY = "history.csv"
SUMMARY = "supernet.json"

SORTING_IMAGES = 128
"""Training images for which the channels of a pretrained network are sorted."""


@dataclass(frozen=True, kw_only=True)
class SupernetRecipe:
    """The settings of a supernet's training.

    Attributes:
        hyper: The hyperparameters.
        rule: The recipe that draws and teaches subnets.
        calibration_images: Number of training images for a subnet's BatchNorm statistics.
        kernel_transform: Whether smaller kernels are learned functions of larger ones.
        freeze_epochs: First epochs in which only the classifier is trained, after a start.
        inherited_rate: Factor on the learning rate of inherited weights.
    """

    hyper: Hyperparameters
    rule: Recipe
    calibration_images: int
    kernel_transform: bool = False
    freeze_epochs: int = 0
    inherited_rate: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.freeze_epochs < max(self.hyper.epochs, 1):
            raise UserError(
                f"freeze_epochs is {self.freeze_epochs}; give 0 for none, or fewer than the "
                f"{self.hyper.epochs} epochs"
            )
        if not 0 < self.inherited_rate <= 1:
            raise UserError(f"inherited_rate is {self.inherited_rate}; give a factor above 0 and at most 1")
        if self.calibration_images < 1:
            raise UserError(f"calibration_images is {self.calibration_images}; give at least 1, better 1024")


def train_supernet(
    space: SearchSpace,
    *,
    data: Prepared,
    recipe: SupernetRecipe,
    seed: int,
    folder: Path,
    start: Start | None = None,
    checkpoints: CheckpointPlan | None = None,
    on_start: Callable[[Inherited], None] = lambda _: None,
    on_step: Callable[[Progress], None] = lambda _: None,
    on_epoch: Callable[[Row], None] = lambda _: None,
) -> Supernet:
    """Trains a supernet and writes weights, history and a summary into ``folder``.

    Args:
        space: The search space.
        data: Training and validation images.
        recipe: The settings of the training.
        seed: Determines the initial weights, the order of the images and the drawn subnets.
        folder: The folder of the files. A checkpoint in it is resumed.
        start: Weights to start from; ``None`` starts from random ones. ``data`` is normalised as they expect.
        checkpoints: When checkpoints are written; ``None`` for none.
        on_start: Called with what was inherited.
        on_step: Called after each step.
        on_epoch: Called after each epoch, with its row of the history.
    """
    supernet, inherited = begun(space, data=data, recipe=recipe, seed=seed, start=start)
    tuning = ALL_NEW
    if inherited is not None:
        tuning = _tuning(supernet, recipe, inherited)
        on_start(inherited)
    supernet.to(data.compute.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    evaluator = subnet_evaluator(supernet, data=data, recipe=recipe, seed=seed)
    history = fit(
        _task(supernet, data=data, recipe=recipe, seed=seed, evaluator=evaluator, tuning=tuning),
        checkpoints=checkpoints
        and Checkpoints(
            folder=folder / CHECKPOINTS,
            plan=checkpoints,
            about=_about(space, data=data, recipe=recipe, seed=seed, start=start),
        ),
        on_step=on_step,
        on_epoch=on_epoch,
    )
    accuracies = extreme_accuracies(evaluator)  # by all processes
    if data.compute.processes.leads:
        _save(
            supernet,
            classes=data.splits.classes,
            normalize=data.normalize,
            accuracies=accuracies,
            history=history,
            folder=folder,
            start=start,
        )
    return supernet


def begun(
    space: SearchSpace, *, data: Prepared, recipe: SupernetRecipe, seed: int, start: Start | None
) -> tuple[Supernet, Inherited | None]:
    """A supernet before its training, and what it has inherited; arguments as in :func:`train_supernet`."""
    torch.manual_seed(seed)
    supernet = Supernet(
        space,
        classes=len(data.splits.classes),
        input_channels=data.splits.channels,
        kernel_transform=recipe.kernel_transform or (start is not None and start.kernel_transform),
    )
    if recipe.hyper.zero_init_residual:
        zero_residual_scales(supernet)
    if start is None:
        return supernet, None
    chosen = drawn(data.splits.train, count=SORTING_IMAGES, seed=seed)
    images = (x.cpu() for x, _ in data.plain(chosen, resolution=min(space.resolutions)))
    return supernet, start.apply(supernet, classes=data.splits.classes, images=images)


def take_over(space: SearchSpace, *, start: Start, folder: Path) -> None:
    """Writes a supernet that others have trained into ``folder``, without reading an image.

    Args:
        space: The search space.
        start: The weights. Classes, mean and standard deviation come with them.
        folder: The folder of the files.

    Raises:
        UserError: If the weights are not those of a supernet of the space.
    """
    if not start.IS_SUPERNET:
        raise UserError(
            f"{start.origin.name} is one network, and the smaller ones of {space.name} are not trained; give "
            "at least one epoch"
        )
    prepared = start.preprocessing
    supernet = Supernet(
        space,
        classes=len(start.classes),
        input_channels=len(prepared.mean),
        kernel_transform=start.kernel_transform,
    )
    start.apply(supernet, classes=start.classes)
    _save(
        supernet,
        classes=start.classes,
        normalize=Normalization(mean=prepared.mean, std=prepared.std),
        accuracies={},
        history=[],
        folder=folder,
        start=start,
    )


def _tuning(supernet: Supernet, recipe: SupernetRecipe, inherited: Inherited) -> Tuning:
    return Tuning(
        inherited=inherited.names,
        rate=recipe.inherited_rate,
        freeze_epochs=recipe.freeze_epochs,
        alone=frozenset(supernet.classifier_parameters()),
    )


def _task(
    supernet: Supernet,
    *,
    data: Prepared,
    recipe: SupernetRecipe,
    seed: int,
    evaluator: SubnetEvaluator,
    tuning: Tuning,
) -> Task:
    hyper, randomness = recipe.hyper, Randomness.of(seed)
    trainee = Trainee(
        supernet=supernet,
        compute=data.compute,
        rng=randomness.networks,
        label_smoothing=hyper.label_smoothing,
        class_weights=data.class_weights,
    )

    def batches(first: int) -> Iterable[Batch]:
        resolution = max(supernet.space.resolutions)
        return data.training(
            batch_size=hyper.batch_size, resolution=resolution, rng=randomness.images, first=first
        )

    return Task(
        model=supernet,
        hyper=hyper,
        compute=data.compute,
        randomness=randomness,
        steps_per_epoch=data.steps(hyper.batch_size),
        batches=batches,
        backward=recipe.rule.build(trainee).backward,
        accuracy=lambda: sum(extreme_accuracies(evaluator).values()) / 2,
        tuning=tuning,
    )


def _about(
    space: SearchSpace, *, data: Prepared, recipe: SupernetRecipe, seed: int, start: Start | None
) -> dict[str, Any]:
    """The settings that determine a training, for its checkpoints."""
    return {
        "space": space.name,
        "recipe": {"name": recipe.rule.NAME, **asdict(recipe)},
        "seed": seed,
        "training_images": len(data.splits.train),
        "classes": len(data.splits.classes),
        **({} if start is None else {"start": start.origin.sha256}),
    }


def extreme_accuracies(evaluator: SubnetEvaluator) -> dict[str, float]:
    """The validation accuracies of the space's largest and smallest networks."""
    space = evaluator.supernet.space
    extremes = {"largest": space.network(space.largest()), "smallest": space.network(space.smallest())}
    return {name: evaluator.accuracy(network).value for name, network in extremes.items()}


def _save(
    supernet: Supernet,
    *,
    classes: Sequence[str],
    normalize: Normalization,
    accuracies: dict[str, float],
    history: list[Row],
    folder: Path,
    start: Start | None,
) -> None:
    summary: dict[str, Any] = {
        "space": supernet.space.name,
        "classes": list(classes),
        "input_channels": supernet.input_channels,
        "kernel_transform": supernet.kernel_transform,
        "mean": list(normalize.mean),
        "std": list(normalize.std),
        "validation_accuracy": accuracies,
    }
    if start is not None:
        summary["init"] = {**start.origin.to_dict(), "preprocessing": start.preprocessing.to_dict()}
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
        workers=data.workers,
    )


def load_supernet(space: SearchSpace, folder: Path, *, device: torch.device) -> Supernet:
    """Loads a trained supernet of ``space``.

    Raises:
        UserError: If the folder holds none, or one of another space.
    """
    path = folder / SUMMARY
    if not path.is_file():
        raise UserError(f"{folder} holds no trained supernet; run `nas train` with the same run_dir first")
    summary = read_json(path)
    with fields_of(path, remedy="train again: nas train"):
        trained_for = summary["space"]
        sizes = {"classes": len(summary["classes"]), "input_channels": int(summary["input_channels"])}
        kernel_transform = bool(summary["kernel_transform"])
    if trained_for != space.name:
        raise UserError(
            f"the supernet in {folder} was trained for the space {trained_for!r}, not {space.name}; "
            f"set space={trained_for!r} or another run_dir"
        )
    supernet = Supernet(space, **sizes, kernel_transform=kernel_transform)
    load_weights(supernet, folder / WEIGHTS)
    supernet.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return supernet.eval()
