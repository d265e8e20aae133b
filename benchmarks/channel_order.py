"""What narrow networks keep of pretrained features. ``python benchmarks/channel_order.py [SETTING=VALUE …]``.

EfficientNet-Lite0 with all channels of its blocks, and with two thirds of them: those whose weights are the
largest, and those that add the most variance on 128 training images, as a supernet sorts them. Nothing is
trained but a linear classifier (ridge regression) on the pooled features of the images in ``data.root``. The
search-validation images choose its penalty, the test images judge. BatchNorm statistics are recomputed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

sys.path.append(str(Path(__file__).resolve().parent.parent / "experiments"))  # for jobs.py

from jobs import configured

from nas.cli.steps.supernet import supernet as supernet_step
from nas.nn import StaticNetwork, Supernet
from nas.space import Architecture, SearchSpace
from nas.training.data import Images
from nas.training.evaluation import calibrate, drawn
from nas.training.prepared import Prepared
from nas.training.supernet import SORTING_IMAGES

PENALTIES = (30.0, 100.0, 300.0, 1000.0, 3000.0)
CALIBRATION_IMAGES = 256


def main(overrides: Sequence[str]) -> None:
    """Prints the accuracy of each network."""
    context = configured(["experiment=transfer", "run_dir=runs/channel_order", *overrides])
    start, space = supernet_step.initial_weights(context), context.space
    data, classes = context.data_for(start), context.data.splits.classes
    chosen = drawn(data.splits.train, count=SORTING_IMAGES, seed=context.config.seed)
    images = [x for x, _ in data.plain(chosen, resolution=min(space.resolutions))]
    for resolution in (97, 129):
        for name, batches, expand in (
            ("all channels", (), 6),
            ("two thirds, by weights", (), 4),
            ("two thirds, by variance", images, 4),
        ):
            supernet = Supernet(space, classes=len(classes), input_channels=data.splits.channels)
            start.apply(supernet, classes=classes, images=batches)
            network = space.network(
                of_expansion(space, expand, resolution),
                classes=len(classes),
                input_channels=data.splits.channels,
            )
            accuracy = judged(supernet.extract(network), data, seed=context.config.seed)
            print(
                f"{resolution} px, {name}, {network.macs / 1e6:.0f} M MACs: {100 * accuracy:.1f} %",
                flush=True,
            )


def of_expansion(space: SearchSpace, expand: int, resolution: int) -> Architecture:
    """The largest network at a resolution, with one expansion wherever it is a choice."""
    row = space.encode([space.largest()])[0]
    for column, dimension in enumerate(space.dimensions):
        wanted = {"resolution": resolution, "expand": expand}.get(dimension.name)
        if wanted in dimension.choices:
            row[column] = list(dimension.choices).index(wanted)
    return space.decode(space.canonical_rows(row[None]))[0]


def judged(model: StaticNetwork, data: Prepared, *, seed: int) -> float:
    """The test accuracy, 0 to 1, of a linear classifier on the network's features."""
    resolution = model.network.resolution
    some = drawn(data.splits.train, count=CALIBRATION_IMAGES, seed=seed)
    calibrate(model, (x for x, _ in data.plain(some, resolution=resolution)))
    model.eval()
    splits = data.splits
    (x, y), validation, test = (
        features(model, data, images) for images in (splits.train, splits.validation, splits.test)
    )
    mean, deviation = x.mean(0), x.std(0) + 1e-6
    x = (x - mean) / deviation
    targets = torch.nn.functional.one_hot(y, len(splits.classes)).float() - 1 / len(splits.classes)

    def accuracy(weights: Tensor, inputs: Tensor, labels: Tensor) -> float:
        return float((((inputs - mean) / deviation @ weights).argmax(1) == labels).float().mean())

    solutions = [
        torch.linalg.solve(x.T @ x + each * torch.eye(x.shape[1]), x.T @ targets) for each in PENALTIES
    ]
    best = int(np.argmax([accuracy(weights, *validation) for weights in solutions]))
    return accuracy(solutions[best], *test)


@torch.no_grad()
def features(model: StaticNetwork, data: Prepared, images: Images) -> tuple[Tensor, Tensor]:
    """What the classifier would read, (N, features), and the labels (N,)."""
    *before, _ = model.blocks.values()
    found, labels = [], []
    for batch, y in data.plain(images, resolution=model.network.resolution):
        x = batch
        for block in before:
            x = block(x)
        found.append(x.flatten(1))
        labels.append(y)
    return torch.cat(found), torch.cat(labels)


if __name__ == "__main__":
    main(sys.argv[1:])
