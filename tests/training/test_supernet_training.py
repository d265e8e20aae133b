"""Training on real digits: the losses are wired as the recipe says, and learning happens."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from nas.errors import UserError
from nas.nn import StaticNetwork, Supernet
from nas.space import SearchSpace
from nas.training.data import Augment, load_data
from nas.training.evaluation import calibrate
from nas.training.final import train_network
from nas.training.optimization import Compute, Hyperparameters
from nas.training.prepared import Prepared
from nas.training.recipes import make_recipe
from nas.training.supernet import (
    SUMMARY,
    WEIGHTS,
    SupernetRecipe,
    load_supernet,
    subnet_evaluator,
    train_supernet,
)
from nas.training.weights import load_weights, save_weights


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return SearchSpace.load("tiny_24")


@pytest.fixture(scope="module")
def data() -> Prepared:
    splits = load_data("digits", seed=0, validation_fraction=0.2, test_fraction=0.2)
    augment = Augment(flip=False, crop_padding=0.0)
    return Prepared.of(splits, augment=augment, compute=Compute.choose("cpu"))


def hyper(epochs: int, **changes: float) -> Hyperparameters:
    values = {"epochs": epochs, "batch_size": 64, "learning_rate": 0.4, "momentum": 0.9, "weight_decay": 1e-5}
    values |= {"warmup_epochs": 1, "label_smoothing": 0.1, "clip_value": 1.0}
    return Hyperparameters(**(values | changes))  # type: ignore[arg-type]


def test_supernet_learns_saves_and_loads(space: SearchSpace, data: Prepared, tmp_path: Path) -> None:
    rule = make_recipe("sandwich", {"random_subnets": 1})
    recipe = SupernetRecipe(hyper=hyper(3), rule=rule, calibration_images=256)
    rows: list[dict[str, float]] = []
    supernet = train_supernet(space, data=data, recipe=recipe, seed=0, folder=tmp_path, on_epoch=rows.append)
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    evaluator = subnet_evaluator(supernet, data=data, recipe=recipe, seed=0)
    network = space.network(space.largest())
    trained = evaluator.accuracy(network).value
    torch.manual_seed(1)
    untrained = Supernet(space, classes=10, input_channels=1)
    blank = subnet_evaluator(untrained, data=data, recipe=recipe, seed=0).accuracy(network).value
    assert trained > blank + 0.4, f"trained {trained:.3f}, untrained {blank:.3f}"

    loaded = load_supernet(space, tmp_path, device=torch.device("cpu"))
    again = subnet_evaluator(loaded, data=data, recipe=recipe, seed=0).accuracy(network)
    assert again == evaluator.accuracy(network)
    with pytest.raises(UserError, match=r"trained for the space 'tiny_24', not ofa_mobilenet_v3"):
        load_supernet(SearchSpace.load("ofa_mobilenet_v3"), tmp_path, device=torch.device("cpu"))
    (tmp_path / WEIGHTS).write_bytes((tmp_path / WEIGHTS).read_bytes()[:1000])
    with pytest.raises(UserError, match="cut off"):
        load_supernet(space, tmp_path, device=torch.device("cpu"))
    summary = (tmp_path / SUMMARY).read_text(encoding="utf-8")
    for damaged in (
        summary[:40],
        "[]",
        "[" * 100_000,
        summary.replace('"input_channels": 1', '"input_channels": "x"'),
    ):
        (tmp_path / SUMMARY).write_text(damaged, encoding="utf-8")
        with pytest.raises(UserError, match=SUMMARY):
            load_supernet(space, tmp_path, device=torch.device("cpu"))
    (tmp_path / SUMMARY).unlink()
    with pytest.raises(UserError, match="nas train"):
        load_supernet(space, tmp_path, device=torch.device("cpu"))


def test_a_network_trained_alone_learns(space: SearchSpace, data: Prepared) -> None:
    network = space.network(space.smallest(), classes=10, input_channels=1)
    trained = train_network(network, data=data, hyper=hyper(4), seed=0)
    assert trained.test.value > 0.5 and trained.test.total == len(data.splits.test)
    assert trained.history[-1]["loss"] < trained.history[0]["loss"]


def test_weights_of_another_network_are_refused(space: SearchSpace, tmp_path: Path) -> None:
    small = StaticNetwork(space.network(space.smallest()))
    large = StaticNetwork(space.network(space.largest()))
    save_weights(small, tmp_path / "small.safetensors", metadata={"a": "b"})
    assert load_weights(small, tmp_path / "small.safetensors") == {"a": "b"}
    with pytest.raises(UserError, match="belongs to another network"):
        load_weights(large, tmp_path / "small.safetensors")


def test_calibration_gives_the_average_over_its_batches() -> None:
    norm = nn.BatchNorm2d(3)
    model = nn.Sequential(norm).eval()
    x = torch.randn(40, 3, 4, 4) * 3 + 1
    calibrate(model, x.split(10))
    torch.testing.assert_close(norm.running_mean, x.mean((0, 2, 3)))
    assert not norm.training and norm.momentum == 0.1


def test_learning_rate_warms_up_and_falls_to_zero() -> None:
    h = hyper(10, warmup_epochs=2, batch_size=128)
    rates = [h.rate(step, 100) for step in range(100)]
    assert max(rates) == pytest.approx(0.2) and rates[0] == pytest.approx(0.01) and rates[-1] < 1e-4
    assert rates[:20] == sorted(rates[:20]) and rates[20:] == sorted(rates[20:], reverse=True)


def test_a_device_that_is_not_there() -> None:
    with pytest.raises(UserError, match="use auto, cpu or cuda"):
        Compute.choose("warp")
    with pytest.raises(UserError, match="allowed: auto, bf16, fp16, none"):
        Compute.choose("cpu", "fp7")
