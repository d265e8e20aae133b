"""What every registered training recipe must do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nas.nn import Supernet
from nas.training.recipes import make_recipe, option_names, recipe_names
from tests.training.recipes.digits import accuracies, fresh, train, trainee

pytestmark = pytest.mark.parametrize("name", recipe_names())

TRAINING: dict[str, tuple[Mapping[str, Any], int]] = {
    "sandwich": ({"random_subnets": 1}, 3),
    "progressive_shrinking": ({"random_subnets": 1}, 5),
    "fairnas": ({}, 3),
}
"""Options and epochs with which a recipe learns the digits in seconds; others get none, and 5 epochs."""


def batch(seed: int) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(8, 1, 12, 12, generator=rng), torch.randint(10, (8,), generator=rng)


def gradients(supernet: Supernet) -> dict[str, Tensor]:
    return {name: p.grad.clone() for name, p in supernet.named_parameters() if p.grad is not None}


def test_names_what_ran(name: str) -> None:
    supernet = fresh().train()
    rule = make_recipe(name).build(trainee(supernet, np.random.default_rng(0)))
    for progress in (0.0, 0.4, 0.6, 0.9):
        supernet.zero_grad()
        result = rule.backward(*batch(0), progress=progress)
        assert result.passes
        for done in result.passes:
            assert done.name.startswith("loss_") and str(supernet.space.parse(done.network)) == done.network
            assert done.loss.shape == () and done.loss.isfinite() and not done.loss.requires_grad
        assert set(result.losses) == {done.name for done in result.passes}
        assert gradients(supernet)


def test_adds_to_the_gradients_and_leaves_weights_alone(name: str) -> None:
    supernet = fresh().train()
    before = {key: p.detach().clone() for key, p in supernet.named_parameters()}
    once, twice = (np.random.default_rng(0) for _ in range(2))
    make_recipe(name).build(trainee(supernet, once)).backward(*batch(0), progress=0.9)
    single = gradients(supernet)
    make_recipe(name).build(trainee(supernet, twice)).backward(*batch(0), progress=0.9)
    for key, gradient in gradients(supernet).items():
        torch.testing.assert_close(gradient, 2 * single[key], rtol=1e-3, atol=1e-5)
    assert all(torch.equal(p, before[key]) for key, p in supernet.named_parameters())


def test_remembers_nothing_but_its_random_state(name: str) -> None:
    supernet = fresh().train()
    rng, other = np.random.default_rng(0), np.random.default_rng(1)
    rule = make_recipe(name).build(trainee(supernet, rng))
    rule.backward(*batch(0), progress=0.5)
    state = rng.bit_generator.state
    supernet.zero_grad()
    second = rule.backward(*batch(1), progress=0.9)
    found = gradients(supernet)

    resumed = make_recipe(name).build(trainee(supernet, other))
    other.bit_generator.state = state
    supernet.zero_grad()
    again = resumed.backward(*batch(1), progress=0.9)
    assert [done.network for done in again.passes] == [done.network for done in second.passes]
    assert all(torch.equal(gradient, found[key]) for key, gradient in gradients(supernet).items())


def test_has_defaults_for_all_its_options(name: str) -> None:
    assert make_recipe(name) == make_recipe(
        name, {option: getattr(make_recipe(name), option) for option in option_names(name)}
    )


def test_learns_the_digits(name: str) -> None:
    """The margin is far from both sides: 0.49 above the untrained supernet is the least that was seen.

    Where students learned nothing, or from another image's teacher, the smallest network came to at most 0.17
    above it; with labels of other images, or a loss of the wrong sign, the largest to at most 0.07.
    """
    options, epochs = TRAINING.get(name, ({}, 5))
    untrained = accuracies(fresh())
    trained = accuracies(train(name, options, epochs=epochs, batch_size=32))
    for which, value in trained.items():
        assert value > untrained[which] + 0.3, f"{which}: {value:.2f}, untrained {untrained[which]:.2f}"
