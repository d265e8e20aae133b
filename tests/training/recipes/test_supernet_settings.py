"""Settings of a supernet that its training must obey and its files must remember."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from nas.nn import Supernet
from nas.training.optimization import Hyperparameters
from nas.training.recipes import make_recipe
from nas.training.supernet import SUMMARY, SupernetRecipe, load_supernet, train_supernet
from tests.training.recipes.digits import digits, small_space


def train(folder: Path, *, kernel_transform: bool = False, zero: bool = False, rate: float = 0.1) -> Supernet:
    hyper = Hyperparameters(
        epochs=1,
        batch_size=256,
        learning_rate=rate,
        momentum=0.9,
        weight_decay=0.0,
        warmup_epochs=0,
        label_smoothing=0.0,
        clip_value=1.0,
        zero_init_residual=zero,
    )
    rule = make_recipe("sandwich", {"random_subnets": 0})
    recipe = SupernetRecipe(hyper=hyper, rule=rule, calibration_images=64, kernel_transform=kernel_transform)
    return train_supernet(small_space(), data=digits(), recipe=recipe, seed=0, folder=folder)


@pytest.mark.parametrize("kernel_transform", [False, True])
def test_kernel_transforms_are_trained_saved_and_loaded(tmp_path: Path, kernel_transform: bool) -> None:
    trained = train(tmp_path, kernel_transform=kernel_transform)
    matrices = {name: p.detach() for name, p in trained.named_parameters() if "transforms" in name}
    assert len(matrices) == (4 if kernel_transform else 0)
    for name, matrix in matrices.items():  # the smallest network has the first block of each stage
        learned = not torch.equal(matrix, torch.eye(9))
        assert learned == ("_0_inverted_residual" in name), name
    assert json.loads((tmp_path / SUMMARY).read_text())["kernel_transform"] is kernel_transform
    loaded = load_supernet(small_space(), tmp_path, device=torch.device("cpu"))
    mine = trained.state_dict()
    assert mine.keys() == loaded.state_dict().keys()
    assert all(torch.equal(value, mine[name]) for name, value in loaded.state_dict().items())


@pytest.mark.parametrize("zero", [False, True])
def test_residual_scales_begin_at_zero_if_they_shall(tmp_path: Path, zero: bool) -> None:
    trained = train(tmp_path, zero=zero, rate=0.0)
    scales = {n: p for n, p in trained.named_parameters() if n.endswith("norm.weight") and not p.any()}
    ends = {"blocks.stages_0_1_inverted_residual", "blocks.stages_1_1_inverted_residual"}
    assert scales.keys() == ({f"{end}.project.norm.weight" for end in ends} if zero else set())
