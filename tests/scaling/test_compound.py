"""Compound scaling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.blocks import BlockSettings, Rounding, make_settings
from nas.errors import UserError
from nas.network import NetworkSpec
from nas.scaling import ROUNDINGS, compound_scale, decisive, fit_to_latency, near_latency, scale, scalings
from nas.space import SearchSpace

SPACE = SearchSpace.load("tiny_32")

# Kind, blocks, width, stride, kernel, expansion: Tan and Le 2019, table 1.
B0 = [
    (1, 16, 1, 3, 1),
    (2, 24, 2, 3, 6),
    (2, 40, 2, 5, 6),
    (3, 80, 2, 3, 6),
    (3, 112, 1, 5, 6),
    (4, 192, 2, 5, 6),
    (1, 320, 1, 3, 6),
]


def networks() -> st.SearchStrategy[NetworkSpec]:
    return st.integers(0, 10**6).map(
        lambda seed: SPACE.network(SPACE.sample(np.random.default_rng(seed)), classes=10)
    )


def factors(low: float = 0.4, high: float = 3.0) -> st.SearchStrategy[float]:
    return st.floats(low, high)


def efficientnet_b0() -> NetworkSpec:
    return NetworkSpec(
        resolution=224,
        stem=(make_settings("conv", {"width": 32, "stride": 2, "activation": "silu"}),),
        stages=tuple(
            tuple(_mbconv(width, stride if i == 0 else 1, kernel, expand) for i in range(count))
            for count, width, stride, kernel, expand in B0
        ),
        head=(
            make_settings("conv", {"width": 1280, "kernel": 1, "activation": "silu"}),
            make_settings("pool", {}),
        ),
        rounding=Rounding(squeeze_divisor=1),
    )


def _mbconv(width: int, stride: int, kernel: int, expand: int) -> BlockSettings:
    fields = {"width": width, "stride": stride, "kernel": kernel, "expand": expand, "activation": "silu"}
    squeeze = {"squeeze": 0.25, "squeeze_of": "input", "squeeze_activation": "silu", "gate": "sigmoid"}
    return make_settings("inverted_residual", {**fields, **squeeze})


def _plain(layers: int, width: int, resolution: int) -> NetworkSpec:
    block = make_settings("conv", {"width": width})
    return NetworkSpec(resolution=resolution, stages=((block,) * layers,), head=(make_settings("pool", {}),))


@given(networks())
def test_scaling_by_one_changes_nothing(network: NetworkSpec) -> None:
    assert scale(network) == network
    assert compound_scale(network, phi=0) == network


@settings(deadline=None)
@given(networks(), st.sampled_from(["depth", "width", "resolution"]), factors(), factors())
def test_macs_never_fall_when_a_factor_grows(network: NetworkSpec, name: str, a: float, b: float) -> None:
    small, large = (scale(network, **{name: factor}) for factor in sorted((a, b)))
    assert small.macs <= large.macs


@given(networks(), factors(), factors(), factors())
def test_the_form_is_kept(network: NetworkSpec, depth: float, width: float, resolution: float) -> None:
    scaled = scale(network, depth=depth, width=width, resolution=resolution)
    assert (scaled.classes, scaled.input_channels) == (network.classes, network.input_channels)
    assert (len(scaled.stem), len(scaled.head)) == (len(network.stem), len(network.head))
    for before, after in zip(network.stages, scaled.stages, strict=True):
        assert len(after) == max(1, math.ceil(len(before) * depth - 1e-9))
        assert after[0].step == before[0].step
        assert all(block.step == 1 for block in after[1:])
        assert after[0].to_dict()["width"] == pytest.approx(before[0].to_dict()["width"] * width)


def test_the_formula_at_phi_3() -> None:
    scaled = compound_scale(_plain(18, 32, 224), phi=3)
    width = scaled.stages[0][0].to_dict()["width"]
    assert (len(scaled.stages[0]), round(float(width)), scaled.resolution) == (32, 43, 341)
    assert scaled.blocks[0].out_shape.channels == 40


def test_depth_that_is_whole_is_not_rounded_up() -> None:
    assert len(scale(_plain(10, 8, 8), depth=1.1).stages[0]) == 11
    assert len(scale(_plain(10, 8, 8), depth=0.01).stages[0]) == 1


def test_a_small_phi_changes_little() -> None:
    network = replace(_plain(1, 64, 64), stages=((make_settings("conv", {"width": 64}),),) * 4)
    little, up = (compound_scale(network, phi=0.3, depth_rounding=rounding) for rounding in ROUNDINGS[::-1])
    assert [len(stage) for stage in little.stages] == [1, 1, 1, 1]
    assert little.macs < 1.3 * network.macs
    assert [len(stage) for stage in up.stages] == [2, 2, 2, 2]
    assert [len(stage) for stage in compound_scale(network, phi=4, depth_rounding="nearest").stages] == [
        2,
        2,
        2,
        2,
    ]
    budget_ms = 1.3 * _ms(network)
    assert fit_to_latency(network, latency_ms=budget_ms, predict=_ms).phi == 0
    assert fit_to_latency(network, latency_ms=budget_ms, predict=_ms, depth_rounding="nearest").phi > 0
    with pytest.raises(UserError, match=r"depth_rounding 'down'.* nearest"):
        scale(network, depth=2, depth_rounding="down")


def test_a_stage_of_one_block_is_deepened_at_stride_1() -> None:
    network = _plain(1, 8, 32)
    network = replace(network, stages=((make_settings("conv", {"width": 8, "stride": 2}),),))
    assert [block.step for block in scale(network, depth=3).stages[0]] == [2, 1, 1]


@pytest.mark.parametrize(
    ("width", "depth", "resolution", "params"),
    [
        (1.0, 1.0, 224, 5_288_548),
        (1.0, 1.1, 240, 7_794_184),
        (1.1, 1.2, 260, 9_109_994),
        (1.2, 1.4, 300, 12_233_232),
        (1.4, 1.8, 380, 19_341_616),
        (1.6, 2.2, 456, 30_389_784),
        (1.8, 2.6, 528, 43_040_704),
        (2.0, 3.1, 600, 66_347_960),
    ],
)
def test_efficientnets_are_b0_scaled(width: float, depth: float, resolution: int, params: int) -> None:
    """Parameters of torchvision's efficientnet_b0 to b7."""
    scaled = scale(efficientnet_b0(), width=width, depth=depth, resolution=resolution / 224)
    assert scaled.resolution == resolution
    assert scaled.params == params


def test_efficientnet_b3_has_the_published_macs() -> None:
    assert efficientnet_b0().macs == pytest.approx(390e6, rel=0.02)
    assert scale(efficientnet_b0(), width=1.2, depth=1.4, resolution=300 / 224).macs == pytest.approx(
        1.8e9, rel=0.03
    )


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_factors_must_be_positive_numbers(value: float) -> None:
    network = _plain(1, 8, 8)
    with pytest.raises(UserError, match=r"width is .*; it must be a positive number"):
        scale(network, width=value)
    with pytest.raises(UserError, match=r"gamma is .*; it must be a positive number"):
        compound_scale(network, phi=1, gamma=value)
    with pytest.raises(UserError, match=r"latency_ms is .*; it must be a positive number"):
        fit_to_latency(network, latency_ms=value, predict=_ms)


def test_phi_must_be_a_number() -> None:
    with pytest.raises(UserError, match="phi is nan"):
        compound_scale(_plain(1, 8, 8), phi=float("nan"))


def _ms(network: NetworkSpec) -> float:
    return network.macs / 1e6


@settings(max_examples=10, deadline=None)
@given(networks(), st.floats(0.3, 8.0))
def test_the_largest_phi_within_the_budget_is_found(network: NetworkSpec, ratio: float) -> None:
    budget_ms = _ms(network) * ratio
    try:
        found = fit_to_latency(network, latency_ms=budget_ms, predict=_ms, lowest=-4, highest=4)
    except UserError:  # a small network cannot shrink by much
        assert _ms(compound_scale(network, phi=-4)) > budget_ms
        return
    assert found.predicted_ms == _ms(found.network) <= budget_ms
    assert found.network == compound_scale(network, phi=found.phi)
    larger = [ms for phi, ms in found.tried if phi > found.phi and ms <= budget_ms]
    assert all(ms == found.predicted_ms for ms in larger)


def test_the_network_itself_fits_its_own_latency() -> None:
    network = efficientnet_b0()
    found = fit_to_latency(network, latency_ms=_ms(network), predict=_ms, lowest=-1, highest=1)
    assert found.phi == 0
    assert found.network == network


def test_a_network_can_shrink_to_a_budget() -> None:
    network = efficientnet_b0()
    found = fit_to_latency(network, latency_ms=_ms(network) / 3, predict=_ms)
    assert found.phi < 0


def test_a_budget_that_nothing_meets_names_the_smallest_latency() -> None:
    with pytest.raises(UserError, match="smallest latency that can be met is") as caught:
        fit_to_latency(efficientnet_b0(), latency_ms=0.01, predict=_ms)
    met = float(str(caught.value).split("can be met is ")[1].split(" ms")[0])
    assert fit_to_latency(efficientnet_b0(), latency_ms=met, predict=_ms).predicted_ms <= met


def test_a_grid_upside_down_is_refused() -> None:
    with pytest.raises(UserError, match=r"lowest .* is above highest"):
        fit_to_latency(_plain(1, 8, 8), latency_ms=1, predict=_ms, lowest=1, highest=0)


@pytest.mark.parametrize("highest", [1e6, math.inf, math.nan])
def test_a_grid_without_end_is_refused(highest: float) -> None:
    with pytest.raises(UserError, match=r"phi from -6 to .* is too wide; allowed: -16 to 16"):
        fit_to_latency(_plain(1, 8, 8), latency_ms=1, predict=_ms, highest=highest)


def test_what_is_near_a_budget_holds_what_meets_it() -> None:
    """With latency proportional to MACs^0.8, the best within the budget is among those kept."""
    network = SPACE.network(SPACE.smallest(), classes=10)

    def predict(each: NetworkSpec) -> float:
        return float((each.macs / network.macs) ** 0.8)

    near = near_latency(network, scalings(network, lowest=0, highest=4), latency_ms=2.5, now_ms=1.0)
    phis = [phi for phi, _ in near]
    best = fit_to_latency(network, latency_ms=2.5, predict=predict, lowest=0, highest=4)
    assert best.phi in phis and len(phis) < 41
    assert all(candidate == compound_scale(network, phi=phi) for phi, candidate in near)


def test_a_budget_out_of_reach_keeps_the_nearest() -> None:
    network = SPACE.network(SPACE.smallest(), classes=10)
    candidates = scalings(network, lowest=-1, highest=1)
    ((phi, _),) = near_latency(network, candidates, latency_ms=1e-6, now_ms=1.0)
    assert phi == -1.0


def _overhead_ms(network: NetworkSpec) -> float:
    """A device whose every block takes 15 us at least."""
    return sum(max(0.015, block.macs / 2e9) for block in network.blocks)


@pytest.mark.parametrize(
    ("space", "extreme", "budget_ms"),
    [("tiny_32", "largest", 0.36), ("mobilenet_32", "largest", 0.189), ("tiny_32", "smallest", 0.3)],
)
def test_a_range_grows_until_it_tells_what_meets_the_budget(
    space: str, extreme: str, budget_ms: float
) -> None:
    """Where overheads rule, latency grows far slower than the rough guess has it."""
    found = SearchSpace.load(space)
    network = found.network(found.largest() if extreme == "largest" else found.smallest(), classes=10)
    candidates = scalings(network, depth_rounding="nearest")
    now_ms = _overhead_ms(network)
    near = near_latency(network, candidates, latency_ms=budget_ms, now_ms=now_ms)
    asked: set[NetworkSpec] = set()

    def predict(networks: Sequence[NetworkSpec]) -> list[float]:
        asked.update(networks)
        return [_overhead_ms(each) for each in networks]

    known = decisive(candidates, near, latency_ms=budget_ms, predict=predict)
    phis = [phi for phi, _ in known]
    whole, part = (
        fit_to_latency(
            network,
            latency_ms=budget_ms,
            predict=_overhead_ms,
            lowest=lowest,
            highest=highest,
            depth_rounding="nearest",
        )
        for lowest, highest in ((-6, 8), (phis[0], phis[-1]))
    )
    assert (part.phi, part.network) == (whole.phi, whole.network)
    assert whole.phi not in [phi for phi, _ in near]
    assert {each for _, each in known} <= asked
    assert len(known) < len(candidates)


@pytest.mark.parametrize(("budget_ms", "end"), [(1e-6, 0), (1e6, -1)])
def test_a_range_ends_where_the_grid_ends(budget_ms: float, end: int) -> None:
    network = SPACE.network(SPACE.smallest(), classes=10)
    candidates = scalings(network, lowest=-2, highest=2)
    known = decisive(
        candidates,
        candidates[20:21],
        latency_ms=budget_ms,
        predict=lambda networks: [_overhead_ms(each) for each in networks],
    )
    assert known[end] == candidates[end]
    assert len(known) == 21


def test_a_network_that_is_shrunk_to_nothing_is_left_out() -> None:
    block = make_settings("patchify", {"width": 8, "stride": 8})
    network = NetworkSpec(resolution=8, stages=((block,),), head=(make_settings("pool", {}),))
    assert [phi for phi, _ in scalings(network, lowest=-2, highest=1, step=1)] == [0, 1]
    with pytest.raises(UserError, match=r"no scaling of the network is valid: .* raise phi"):
        scalings(network, lowest=-2, highest=-1)


def test_a_patch_embedding_is_never_repeated() -> None:
    space = SearchSpace.load("vit_32")
    network = space.network(space.smallest())
    deeper = scale(network, depth=2.0, width=1.5)
    assert [len(stage) for stage in deeper.stages] == [1, 4]
    assert deeper.blocks[0].out_shape.channels == 96
    assert len({block.out_shape for block in deeper.blocks[:5]}) == 1
