"""Recipes trained on real digits, in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import torch

from nas.blocks import make_settings
from nas.nn import Supernet
from nas.space import SearchSpace
from nas.space.stage import StageSpace
from nas.training.data import Augment, load_data
from nas.training.evaluation import SubnetEvaluator
from nas.training.loop import Task, fit
from nas.training.optimization import Compute, Hyperparameters
from nas.training.prepared import Prepared
from nas.training.recipes import Trainee, make_recipe
from nas.training.state import Randomness

RANDOM = 3


def small_space() -> SearchSpace:
    """The last two stages of ``tiny_24`` in small, for images of 8×8 pixels."""
    stages = tuple(
        StageSpace(
            number=number,
            kinds=("inverted_residual",),
            depths=(1, 2),
            shared={"stride": (2,), "activation": ("relu",), "width": widths},
            per_block={"kernel": (3, 5), "expand": (2, 3)},
        )
        for number, widths in enumerate([(16,), (16, 24)])
    )
    return SearchSpace(
        name="digits",
        resolutions=(8, 12),
        stem=(make_settings("conv", {"width": 16, "activation": "relu"}),),
        stages=stages,
        head=(
            make_settings("conv", {"width": 64, "kernel": 1, "activation": "relu"}),
            make_settings("pool", {}),
        ),
    )


@cache
def digits() -> Prepared:
    splits = load_data("digits", seed=0, validation_fraction=0.2, test_fraction=0.2)
    augment = Augment(flip=False, crop_padding=0.0)
    return Prepared.of(splits, augment=augment, compute=Compute.choose("cpu", "none"))


def fresh(*, seed: int = 0) -> Supernet:
    """An untrained supernet for the digits."""
    torch.manual_seed(seed)
    supernet = Supernet(small_space(), classes=10, input_channels=1)
    return supernet.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def trainee(supernet: Supernet, rng: np.random.Generator) -> Trainee:
    return Trainee(supernet=supernet, compute=digits().compute, rng=rng, label_smoothing=0.0)


def train(name: str, options: Mapping[str, Any], *, epochs: int, batch_size: int = 64) -> Supernet:
    """A supernet trained on the digits' training images."""
    supernet, data, randomness = fresh(), digits(), Randomness.of(0)
    hyper = Hyperparameters(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=0.4,
        momentum=0.9,
        weight_decay=1e-5,
        warmup_epochs=1,
        label_smoothing=0.0,
        clip_value=1.0,
    )
    task = Task(
        model=supernet,
        hyper=hyper,
        compute=data.compute,
        randomness=randomness,
        steps_per_epoch=data.steps(batch_size),
        batches=lambda first: data.training(
            batch_size=batch_size, resolution=12, rng=randomness.images, first=first
        ),
        backward=make_recipe(name, options).build(trainee(supernet, randomness.networks)).backward,
    )
    fit(task)
    return supernet


def accuracies(supernet: Supernet) -> dict[str, float]:
    """Of the largest, the smallest and, on average, of some random subnets on the validation images."""
    data, space = digits(), supernet.space
    evaluator = SubnetEvaluator.of(
        supernet,
        train=data.splits.train,
        validation=data.splits.validation,
        normalize=data.normalize,
        compute=data.compute,
        calibration_images=256,
        seed=0,
    )
    rng = np.random.default_rng(7)
    archs = [space.largest(), space.smallest(), *(space.sample(rng) for _ in range(RANDOM))]
    largest, smallest, *others = (evaluator.accuracy(space.network(arch)).value for arch in archs)
    return {"largest": largest, "smallest": smallest, "random": sum(others) / RANDOM}
