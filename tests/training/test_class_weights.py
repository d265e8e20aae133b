"""``data.class_weights``: the loss when some classes have few images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from nas.training.data.splits import balanced_weights
from nas.training.distillation import label_loss
from nas.training.evaluation import Accuracy, evaluate
from nas.training.final import fit_network
from nas.training.prepared import Prepared
from nas.training.recipes import make_recipe
from nas.training.supernet import SupernetRecipe, train_supernet
from tests.training.recipes.digits import digits, small_space
from tests.training.test_final import hyper

RARE = 5
"""The digits below this one lose most of their images."""


def unbalanced(*, balanced: bool) -> Prepared:
    data = digits()
    images = data.splits.train
    rare = torch.nonzero(images.labels < RARE).flatten()[::20]
    frequent = torch.nonzero(images.labels >= RARE).flatten()[::2]
    train = images.take(torch.cat([rare, frequent]))
    return Prepared.of(
        replace(data.splits, train=train), augment=data.augment, compute=data.compute, balanced=balanced
    )


def recall_of_rare(counted: Accuracy) -> float:
    correct, total = (sum(each[i] for each in counted.by_class[:RARE]) for i in (0, 1))
    return correct / total


def test_each_class_has_the_same_weight_in_all() -> None:
    labels = torch.tensor([0, 0, 0, 2])
    weights = balanced_weights(labels, classes=4)
    assert weights.tolist() == pytest.approx([2 / 3, 0, 2, 0])
    assert weights[labels].mean() == pytest.approx(1)


def test_the_loss_is_the_weighted_mean_over_the_images() -> None:
    torch.manual_seed(0)
    logits, y, weights = torch.randn(6, 3), torch.tensor([0, 1, 2, 2, 0, 2]), torch.tensor([0.5, 1.0, 3.0])
    each = F.cross_entropy(logits, y, reduction="none")
    assert label_loss(logits, y, class_weights=weights) == pytest.approx((weights[y] * each).mean())
    shares = F.one_hot(y, 3).float()
    assert label_loss(logits, shares, class_weights=weights) == pytest.approx((weights[y] * each).mean())
    assert label_loss(logits, y, smoothing=0.1) == F.cross_entropy(logits, y, label_smoothing=0.1)


def test_a_network_recognises_more_of_rare_classes() -> None:
    space = small_space()
    network = space.network(space.smallest(), classes=10, input_channels=1)

    def recall(data: Prepared) -> float:
        model, _ = fit_network(network, data=data, hyper=hyper(epochs=2, batch_size=32), seed=0)
        images = data.plain(data.splits.validation, resolution=network.resolution)
        return recall_of_rare(evaluate(model, images, compute=data.compute, classes=10))

    assert recall(unbalanced(balanced=True)) > recall(unbalanced(balanced=False)) + 0.15


def test_a_supernet_learns_with_the_weights(tmp_path: Path) -> None:
    recipe = SupernetRecipe(hyper=hyper(epochs=1), rule=make_recipe("sandwich"), calibration_images=32)

    def first_loss(*, balanced: bool) -> float:
        history = []
        train_supernet(
            small_space(),
            data=unbalanced(balanced=balanced),
            recipe=recipe,
            seed=0,
            folder=tmp_path / str(balanced),
            on_epoch=history.append,
        )
        return history[0]["loss_largest"]

    assert first_loss(balanced=True) != first_loss(balanced=False)
