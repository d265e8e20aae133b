"""One role, several variants: the weights serve all of them, in whichever order they are given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.blocks import INPUT, BlockSpec, Lowering, Op, ops
from nas.errors import UserError
from nas.nn import Block
from nas.nn.layers import LayerNorm

SIZE = 6


@dataclass(frozen=True, kw_only=True)
class ConvSpec(BlockSpec):
    """A convolution in any form."""

    KIND: ClassVar[str] = "any_conv"

    out_channels: int = 8
    kernel: int = 3
    groups: int = 1
    norm: bool = True
    bias: bool = False

    def lowering(self) -> tuple[Op, ...]:
        net = Lowering(self.in_shape)
        net.conv(
            INPUT,
            self.out_channels,
            role="conv",
            kernel=self.kernel,
            groups=self.groups,
            norm=self.norm,
            bias=self.bias,
        )
        return net.ops


@dataclass(frozen=True, kw_only=True)
class OneSpec(BlockSpec):
    """An operation that is not a convolution."""

    KIND: ClassVar[str] = "one"

    form: str
    epsilon: float = 1e-6
    bias: bool = True

    def lowering(self) -> tuple[Op, ...]:
        if self.form == "layer_norm":
            return (ops.LayerNorm(in_shape=self.in_shape, role="own", epsilon=self.epsilon),)
        if self.form == "linear":
            return (ops.Linear(in_shape=self.in_shape, role="own", out_features=3, bias=self.bias),)
        net = Lowering(self.in_shape)
        net.conv(INPUT, 8, role="own")
        if self.form == "twice":
            net.conv(0, 8, role="own")
        return net.ops


def convolution(
    channels: int = 8,
    *,
    out: int = 8,
    kernel: int = 3,
    groups: int = 1,
    norm: bool = True,
    bias: bool = False,
) -> ConvSpec:
    return ConvSpec(
        in_channels=channels,
        in_height=SIZE,
        in_width=SIZE,
        out_channels=out,
        kernel=kernel,
        groups=groups,
        norm=norm,
        bias=bias,
    )


def one(form: str, *, epsilon: float = 1e-6, bias: bool = True) -> OneSpec:
    size = 1 if form == "linear" else SIZE
    return OneSpec(in_channels=8, in_height=size, in_width=size, form=form, epsilon=epsilon, bias=bias)


def assert_all_run(specs: list[BlockSpec]) -> Block:
    """Every variant runs with the shared weights as it does alone with those that it takes from them."""
    torch.manual_seed(0)
    shared = Block(specs).eval()
    with torch.no_grad():
        for tensor in shared.state_dict().values():
            if tensor.is_floating_point():
                tensor.uniform_(0.5, 1.5)
    for spec in specs:
        alone = Block([spec]).eval()
        alone.take(shared)
        assert sum(parameter.numel() for parameter in alone.parameters()) == spec.params
        x = torch.randn(2, *(spec.in_channels, spec.in_height, spec.in_width))
        assert torch.allclose(shared(x, spec), alone(x, spec), rtol=1e-4, atol=1e-4)
    return shared


CHANNELS = st.sampled_from([8, 16, 24])


@st.composite
def convolutions(draw: st.DrawFn) -> ConvSpec:
    channels, out = draw(CHANNELS), draw(CHANNELS)
    return convolution(
        channels,
        out=out,
        kernel=draw(st.sampled_from([1, 3, 5])),
        groups=draw(st.sampled_from([n for n in (1, 2, 3, 4, 8, 12, 24) if channels % n == 0 == out % n])),
        norm=draw(st.booleans()),
        bias=draw(st.booleans()),
    )


@settings(deadline=None, max_examples=60)
@given(st.lists(convolutions(), min_size=2, max_size=4))
def test_any_variants_of_a_convolution_share_one_role(specs: list[BlockSpec]) -> None:
    assert_all_run(specs)


@pytest.mark.parametrize("groups", [(1, 2, 4), (4, 1, 2), (4, 2, 1), (8, 1), (1, 8)])
def test_groups_in_any_order_have_the_weights_of_the_fewest(groups: tuple[int, ...]) -> None:
    shared = assert_all_run([convolution(groups=number) for number in groups])
    weight = shared.get_submodule("conv").conv.weight  # type: ignore[union-attr]
    assert weight.shape == (8, 8 // min(groups), 3, 3)  # type: ignore[union-attr]


@pytest.mark.parametrize("groups", [2, 8])
def test_a_wider_convolution_with_as_many_groups_has_larger_ones(groups: int) -> None:
    narrow, wide = convolution(8, groups=groups), convolution(16, out=16, groups=groups)
    for specs in ([narrow, wide], [wide, narrow]):
        shared = assert_all_run(specs)
        weight = shared.get_submodule("conv").conv.weight  # type: ignore[union-attr]
        assert weight.shape == (16, 16 // groups, 3, 3)  # type: ignore[union-attr]


@pytest.mark.parametrize("order", [1, -1])
def test_groups_need_not_divide_the_channels_of_another_variant(order: int) -> None:
    assert_all_run([convolution(12, out=12, groups=3), convolution(16, out=16, groups=16)][::order])


@pytest.mark.parametrize("order", [1, -1])
def test_a_variant_without_norm_or_bias_has_none(order: int) -> None:
    plain, full = convolution(norm=False), convolution(norm=True, bias=True)
    assert_all_run([plain, full][::order])
    assert_all_run([one("linear", bias=False), one("linear")][::order])


def test_a_layer_norm_has_the_epsilon_of_its_variant() -> None:
    specs = [one("layer_norm", epsilon=epsilon) for epsilon in (1e-6, 10.0)]
    block, x = Block(specs), torch.randn(1, 8, SIZE, SIZE)
    assert isinstance(block.get_submodule("own"), LayerNorm)
    exact, damped = (block(x, spec).std() for spec in specs)
    assert damped < 0.5 * exact


@pytest.mark.parametrize("order", [1, -1])
def test_a_role_of_two_types_is_refused(order: int) -> None:
    with pytest.raises(UserError, match=r"role 'own' belongs to operations of different types \(.*LayerNorm"):
        Block([one("layer_norm"), one("conv")][::order])


def test_a_role_that_stands_twice_in_a_block_is_refused() -> None:
    with pytest.raises(UserError, match="role 'own' stands twice in one block; give the weights"):
        Block([one("twice")])


@pytest.mark.parametrize(("channels", "out", "groups"), [(8, 8, 3), (8, 12, 8), (8, 8, 0)])
def test_groups_that_do_not_divide_the_channels_are_refused(channels: int, out: int, groups: int) -> None:
    with pytest.raises(UserError, match=f"{channels} to {out} channels cannot have {groups} groups; both"):
        Block([convolution(channels, out=out, groups=groups)])
