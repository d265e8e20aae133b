"""Run by ``torchrun`` or alone: trains a tiny supernet on digits in float64 and writes what came of it.

    torchrun --nproc_per_node=2 tests/training/distributed_worker.py FOLDER

writes FOLDER/evaluation.json and FOLDER/training.json, after the mode that BatchNorm was in.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import torch
from torch import nn

from nas.cli.processes import together
from nas.nn import Supernet
from nas.space import SearchSpace
from nas.training.data import Augment, load_data
from nas.training.evaluation import SubnetEvaluator
from nas.training.loop import Task, fit
from nas.training.optimization import Batch, Compute, Hyperparameters
from nas.training.prepared import Prepared
from nas.training.recipes import Trainee, make_recipe
from nas.training.state import Randomness
from tests.training.recipes.digits import small_space

STEPS = 8
BATCH = 17  # odd: two processes have different numbers of images


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    with together("cpu"):
        for mode in ("evaluation", "training"):
            result = train(in_training=mode == "training")
            if Compute.choose("cpu").processes.leads:
                (folder / f"{mode}.json").write_text(json.dumps(result))


def train(*, in_training: bool) -> dict[str, object]:
    """The losses of each step, the sum of the weights, and the accuracy of the largest subnet."""
    compute = Compute.choose("cpu", "none")
    splits = load_data("digits", seed=0, validation_fraction=0.1, test_fraction=0.2, max_train_images=300)
    data = Prepared.of(splits, augment=Augment(flip=False, crop_padding=0.125), compute=compute)
    supernet = make_supernet(small_space(), in_training=in_training)
    randomness = Randomness.of(0)
    trainee = Trainee(supernet=supernet, compute=compute, rng=randomness.networks, label_smoothing=0.1)
    rule = make_recipe("sandwich", {"random_subnets": 1, "project_after": 0.5}).build(trainee)

    def batches(first: int) -> Iterable[Batch]:
        """One batch an epoch, so that the history has the losses of every step."""
        drawn = data.training(batch_size=BATCH, resolution=8, rng=randomness.images, first=first)
        return ((x.double(), y) for x, y in islice(drawn, 1))

    hyper = Hyperparameters(
        epochs=STEPS,
        batch_size=BATCH,
        learning_rate=3.0,
        momentum=0.9,
        weight_decay=1e-4,
        warmup_epochs=2,
        label_smoothing=0.1,
        clip_value=0.5,
        ema_decay=0.5,
    )
    task = Task(
        model=supernet,
        hyper=hyper,
        compute=compute,
        randomness=randomness,
        steps_per_epoch=1,
        batches=batches,
        backward=rule.backward,
    )
    history = fit(task)
    network = supernet.space.network(supernet.space.smallest())
    accuracy = evaluator(supernet.float(), data).accuracy(network)
    return {
        "losses": [[value for name, value in row.items() if name.startswith("loss")] for row in history],
        "weights": [float(p.detach().double().sum()) for p in supernet.parameters()],
        "accuracy": [accuracy.correct, accuracy.total],
    }


def make_supernet(space: SearchSpace, *, in_training: bool) -> Supernet:
    """A supernet in float64, its BatchNorms with random statistics and, if asked, in evaluation mode."""
    torch.manual_seed(0)
    supernet = Supernet(space, classes=10, input_channels=1).double()
    for module in supernet.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            module.eval()
            if not in_training:
                module.train = lambda mode=True, module=module: module  # type: ignore[method-assign, misc]
    return supernet


def evaluator(supernet: Supernet, data: Prepared) -> SubnetEvaluator:
    return SubnetEvaluator.of(
        supernet,
        train=data.splits.train,
        validation=data.splits.validation,
        normalize=data.normalize,
        compute=data.compute,
        calibration_images=64,
        seed=0,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
