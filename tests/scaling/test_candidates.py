"""Scaling under a latency constraint: depths, width and resolution that use a budget."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.blocks import make_settings
from nas.errors import UserError
from nas.network import NetworkSpec
from nas.scaling import (
    Balance,
    Candidate,
    compound_scale,
    equivalent_phi,
    fallbacks,
    fill_latency,
    growth_grid,
    latency_front,
    scale,
    with_depths,
)
from nas.scaling.candidates import FRAMES, LEAST_USED, ROUNDS, WORTH
from nas.space import SearchSpace

SPACE = SearchSpace.load("tiny_32")


def networks() -> st.SearchStrategy[NetworkSpec]:
    return st.integers(0, 10**6).map(
        lambda seed: SPACE.network(SPACE.sample(np.random.default_rng(seed)), classes=10)
    )


def overhead_ms(networks: Sequence[NetworkSpec]) -> list[float]:
    """A device whose every block takes 5 us at least."""
    return [sum(0.005 + block.macs / 2e9 for block in network.blocks) for network in networks]


def macs_ms(networks: Sequence[NetworkSpec]) -> list[float]:
    return [network.macs / 1e6 for network in networks]


def uneven_ms(networks: Sequence[NetworkSpec]) -> list[float]:
    """Latencies that do not add up, as those of a model of whole networks."""
    return [ms**0.9 for ms in overhead_ms(networks)]


@settings(max_examples=12, deadline=None)
@given(networks(), st.floats(1, 4), st.sampled_from([overhead_ms, macs_ms, uneven_ms]))
def test_a_budget_is_used_and_kept(network: NetworkSpec, ratio: float, predict) -> None:  # type: ignore[no-untyped-def]
    budget_ms = ratio * predict([network])[0]
    filling = fill_latency(network, latency_ms=budget_ms, predict=predict)
    every = (*filling.candidates, *filling.front)
    assert [each.predicted_ms for each in every] == predict([each.network for each in every])
    assert all(each.predicted_ms <= budget_ms for each in every)
    assert all(each.phi == pytest.approx(equivalent_phi(each.network, network)) for each in every)
    best, most = filling.candidates[0], max(each.phi for each in every)
    assert best.phi >= most - WORTH
    using = [each for each in every if each.predicted_ms >= LEAST_USED * budget_ms]
    if any(each.phi >= most - WORTH for each in using):
        assert best.predicted_ms >= LEAST_USED * budget_ms
        assert best.phi == max(each.phi for each in using)
    assert filling == fill_latency(network, latency_ms=budget_ms, predict=predict), "it is deterministic"


@settings(max_examples=8, deadline=None)
@given(networks(), st.floats(1.2, 4))
def test_a_budget_is_used_better_than_by_phi_alone(network: NetworkSpec, ratio: float) -> None:
    """No compound scaling is worth more, but for the coarser steps of width and resolution."""
    budget_ms = ratio * overhead_ms([network])[0]
    best = fill_latency(network, latency_ms=budget_ms, predict=overhead_ms).candidates[0]
    for step in range(40):
        compound = compound_scale(network, phi=0.1 * step, depth_rounding="nearest")
        if overhead_ms([compound])[0] <= budget_ms:
            assert best.phi >= equivalent_phi(compound, network) - WORTH - 0.1


def test_depths_are_found_as_by_trying_all() -> None:
    """The stages' curves give what a search over all depths gives."""
    network = SPACE.network(SPACE.smallest(), classes=10)
    alone = Balance(alpha=1.2, beta=1.0, gamma=1.0)
    budget_ms = 1.6 * overhead_ms([network])[0]
    best = fill_latency(network, latency_ms=budget_ms, predict=overhead_ms, balance=alone).front[-1]
    grid = np.stack(np.meshgrid(*[range(1, 6)] * len(network.stages)), -1).reshape(-1, len(network.stages))
    every = [with_depths(network, [int(depth) for depth in depths]) for depths in grid]
    pairs = zip(every, overhead_ms(every), strict=True)
    meets = [equivalent_phi(each, network, balance=alone) for each, ms in pairs if ms <= budget_ms]
    assert best.phi == pytest.approx(max(meets), abs=0.02)
    assert best.network.resolution == network.resolution


def test_few_blocks_are_measured() -> None:
    network = SPACE.network(SPACE.smallest(), classes=10)
    budget_ms = 2 * overhead_ms([network])[0]
    asked: list[set[str]] = []

    def measure(some: Sequence[NetworkSpec]) -> list[float]:
        known = set().union(*asked)
        new = {block.key for each in some for block in each.blocks} - known
        if new:
            asked.append(new)
        return [1.1 * ms for ms in overhead_ms(some)]  # the estimate is off by a tenth

    filling = fill_latency(network, latency_ms=budget_ms, predict=measure, estimate=overhead_ms)
    assert filling.candidates[0].predicted_ms >= LEAST_USED * budget_ms
    blocks = len(network.blocks) + len(network.stages)
    assert len(asked) <= ROUNDS
    assert all(len(new) <= FRAMES * blocks for new in asked)


def test_a_budget_out_of_reach_names_the_smallest_latency() -> None:
    network = SPACE.network(SPACE.largest(), classes=10)
    with pytest.raises(
        UserError, match=r"no scaling of the network meets 0\.001 ms; .* raise the budget"
    ) as error:
        fill_latency(network, latency_ms=0.001, predict=overhead_ms)
    least_ms = float(str(error.value).split("can be met is ")[1].split(" ms")[0])
    assert 0.001 < least_ms < overhead_ms([network])[0]
    assert fill_latency(network, latency_ms=least_ms * 1.01, predict=overhead_ms).candidates


@settings(max_examples=20, deadline=None)
@given(networks(), st.floats(-2, 4))
def test_the_equivalent_phi_of_a_compound_scaling_is_its_phi(network: NetworkSpec, phi: float) -> None:
    """Without rounding: each dimension by itself, then all at once on a network that rounds little."""
    assert equivalent_phi(network, network) == 0
    wide = make_settings("conv", {"width": 4096})
    plain = NetworkSpec(resolution=2048, stages=((wide,) * 60,), head=(make_settings("pool", {}),))
    assert equivalent_phi(compound_scale(plain, phi=phi), plain) == pytest.approx(phi, abs=0.06)


@settings(max_examples=30, deadline=None)
@given(networks(), st.sampled_from(["depth", "width", "resolution"]), st.floats(0.4, 3), st.floats(0.4, 3))
def test_the_equivalent_phi_never_falls(network: NetworkSpec, name: str, a: float, b: float) -> None:
    small, large = (scale(network, **{name: factor}) for factor in sorted((a, b)))
    assert equivalent_phi(small, network) <= equivalent_phi(large, network) + 1e-9


def test_balanced_growth_is_worth_most_at_equal_cost() -> None:
    """As in table 7 of Tan and Le 2019: at some 1.8 billion FLOPs, all together beat each alone."""
    wide = make_settings("conv", {"width": 4096})
    plain = NetworkSpec(resolution=512, stages=((wide,) * 20,), head=(make_settings("pool", {}),))
    together = equivalent_phi(scale(plain, depth=1.4, width=1.2, resolution=1.3), plain)
    alone = [{"depth": 4.0}, {"width": 2.0}, {"resolution": 2.0}]
    assert all(equivalent_phi(scale(plain, **each), plain) < together for each in alone)


@pytest.mark.parametrize("growth", [(0.9, 1.1, 1.15), (1.0, 1.0, 1.0)])
def test_a_balance_has_growths_of_at_least_1(growth: tuple[float, float, float]) -> None:
    with pytest.raises(UserError, match=r"alpha, beta and gamma are .*; give numbers of at least 1"):
        Balance(*growth)


def candidates() -> st.SearchStrategy[list[Candidate]]:
    network = SPACE.network(SPACE.smallest(), classes=10)
    one = st.builds(Candidate, st.just(network), phi=st.floats(-2, 4), predicted_ms=st.floats(0.1, 2))
    return st.lists(one, min_size=1, max_size=20)


@given(candidates())
def test_a_front_is_beaten_by_none(some: list[Candidate]) -> None:
    front = latency_front(some)
    assert [each.phi for each in front] == sorted({each.phi for each in front})
    for each in some:
        assert any(other.phi >= each.phi and other.predicted_ms <= each.predicted_ms for other in front)


@given(candidates(), st.integers(0, 5))
def test_each_fallback_is_faster(some: list[Candidate], count: int) -> None:
    first = latency_front(some)[-1]
    rest = fallbacks(first, some, count=count)
    assert len(rest) <= count
    for before, after in zip((first, *rest), rest, strict=False):
        assert after.predicted_ms <= 0.98 * before.predicted_ms
        assert after.phi < before.phi


def test_a_grid_doubles_the_cost() -> None:
    network = SPACE.network(SPACE.largest(), classes=10)
    pairs = growth_grid(network)
    assert len(pairs) > 5
    for balance, scaled in pairs:
        assert balance.alpha * balance.beta**2 * balance.gamma**2 == pytest.approx(2)
        assert 1.6 <= scaled.macs / network.macs <= 2.4
        assert scaled == compound_scale(
            network, phi=1, alpha=balance.alpha, beta=balance.beta, gamma=balance.gamma
        )
    assert len({scaled.blocks for _, scaled in pairs}) == len(pairs)


def test_depths_are_set_stage_by_stage() -> None:
    network = SPACE.network(SPACE.smallest(), classes=10)
    depths = list(range(1, len(network.stages) + 1))
    assert [len(stage) for stage in with_depths(network, depths).stages] == depths
    for wrong in (depths[:-1], [0] * len(depths)):
        with pytest.raises(UserError, match="give a number of at least 1 for each stage"):
            with_depths(network, wrong)
