"""Rounding, keys, and what is wrong with a block's settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.blocks import (
    BlockSettings,
    BlockSpec,
    Lowering,
    Op,
    Rounding,
    Shape,
    block_kinds,
    make_settings,
    parse_key,
    register,
    settings_from_dict,
    settings_type,
)
from nas.blocks import base as block_base
from nas.blocks.conv import Conv, ConvSpec
from nas.blocks.ops import INPUT
from nas.errors import UserError


@given(st.floats(1, 5000), st.sampled_from([1, 2, 4, 8, 16]))
def test_rounding_gives_a_multiple_close_to_the_value(value: float, divisor: int) -> None:
    rounded = Rounding(divisor=divisor).width(value)
    assert rounded % divisor == 0
    assert rounded >= 0.9 * value
    assert rounded <= max(divisor, value + divisor)


@pytest.mark.parametrize(
    ("value", "rounded"), [(8, 8), (1, 8), (12, 16), (19.2, 24), (28.8, 32), (134.4, 136), (83, 80), (84, 88)]
)
def test_rounding_to_8_as_the_published_networks_have_it(value: float, rounded: int) -> None:
    assert Rounding().width(value) == rounded


def test_a_divisor_that_is_none() -> None:
    with pytest.raises(UserError, match=r"rounding.expand_divisor is 0; it must be a whole number from 1 to"):
        Rounding(expand_divisor=0)


def test_a_key_can_be_read_back() -> None:
    spec = Conv(width=12, stride=2).lower(Shape(3, 32, 32), Rounding())
    assert spec.key == (
        "conv(in_channels=3,in_height=32,in_width=32,out_channels=16,kernel=3,stride=2,activation=relu)"
    )
    assert parse_key(spec.key) == spec


def test_a_field_with_its_default_is_not_in_a_key() -> None:
    """So that keys in the tables of earlier versions stay when a kind gets a field."""
    usual = make_settings("layer_norm", {}).lower(Shape(8, 2, 2), Rounding())
    other = make_settings("layer_norm", {"epsilon": 1e-5}).lower(Shape(8, 2, 2), Rounding())
    assert usual.key == "layer_norm(in_channels=8,in_height=2,in_width=2)"
    assert other.key == "layer_norm(in_channels=8,in_height=2,in_width=2,epsilon=1e-05)"
    assert (parse_key(usual.key), parse_key(other.key)) == (usual, other)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("conv", "'conv' is not a block key; keys look like kind"),
        ("konv(stride=1)", "unknown block kind 'konv'; did you mean conv"),
        ("conv(stride=1)", "does not fit kind conv: .*its fields are in_channels"),
        ("conv(pace=1)", "does not fit kind conv: .*'pace'"),
    ],
)
def test_a_text_that_is_no_key(key: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_key(key)


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        ("inverted_residul", {}, "unknown block kind 'inverted_residul'; did you mean inverted_residual"),
        (
            "conv",
            {"width": 8, "activation": "hardswish"},
            "unknown activation .*'hardswish'; did you mean hard_swish",
        ),
        ("conv", {"width": 8, "kernal": 3}, "unknown field of conv in here 'kernal'; did you mean kernel"),
        ("conv", {}, "here: a block of kind conv needs 'width'; give it a value"),
        ("conv", {"width": "wide"}, "here: width is 'wide'; it must be of type float"),
        ("conv", {"width": 8, "stride": True}, "here: stride is True; it must be of type int"),
        ("conv", {"width": 0}, "here: width is 0; it must be positive"),
        ("conv", {"width": 8, "kernel": 4}, "here: kernel is 4; kernels are odd"),
        (
            "residual_basic",
            {"width": 8, "shortcut": "project"},
            "here: unknown shortcut 'project'; did you mean projection",
        ),
        (
            "operation",
            {"width": 8, "operation": "conv3"},
            "here: unknown operation 'conv3'; did you mean conv3x3",
        ),
        (
            "inverted_residual",
            {"width": 8, "squeeze_of": "inputs"},
            "here: unknown squeeze_of 'inputs'; did you mean input",
        ),
    ],
)
def test_settings_that_are_wrong(kind: str, fields: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_settings(kind, fields, where="here")


def test_a_block_without_a_kind() -> None:
    with pytest.raises(UserError, match=r"block has no 'kind'; allowed: batch_norm, (.+, )?conv, "):
        settings_from_dict({"width": 8})


@pytest.mark.parametrize("kind", block_kinds())
def test_every_kind_is_frozen_and_says_what_it_is(kind: str) -> None:
    settings = settings_type(kind)
    assert settings.__doc__
    assert settings.SPEC.__doc__
    assert issubclass(settings.SPEC, BlockSpec)
    assert settings.SPEC.KIND == settings.KIND == kind


def test_a_kind_of_one_s_own_needs_no_change_here(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = block_base._KINDS
    kinds.names()
    monkeypatch.setattr(kinds, "_items", dict(kinds._items))  # other tests see the kinds that ship
    monkeypatch.setattr(kinds, "_origins", dict(kinds._origins))

    @dataclass(frozen=True, kw_only=True)
    class DoubleSpec(BlockSpec):
        KIND: ClassVar[str] = "double_for_a_test"

        def lowering(self) -> tuple[Op, ...]:
            net = Lowering(self.in_shape)
            net.add(INPUT, INPUT)
            return net.ops

    @register
    @dataclass(frozen=True, kw_only=True)
    class Double(BlockSettings):
        KIND: ClassVar[str] = "double_for_a_test"
        SPEC: ClassVar[type[BlockSpec]] = DoubleSpec

        def lower(self, shape: Shape, rounding: Rounding) -> DoubleSpec:
            return DoubleSpec(in_channels=shape.channels, in_height=shape.height, in_width=shape.width)

    spec = make_settings("double_for_a_test", {}).lower(Shape(4, 2, 2), Rounding())
    assert parse_key(spec.key) == spec
    assert (spec.macs, spec.params, spec.out_shape) == (0, 0, Shape(4, 2, 2))


def test_a_kind_whose_parts_do_not_fit_is_refused() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Other(BlockSettings):
        KIND: ClassVar[str] = "other"
        SPEC: ClassVar[type[BlockSpec]] = ConvSpec

        def lower(self, shape: Shape, rounding: Rounding) -> BlockSpec:
            raise NotImplementedError

    with pytest.raises(UserError, match="Other is of kind 'other', its SPEC of 'conv'; use one"):
        register(Other)

    @dataclass(frozen=True, kw_only=True)
    class Listed(BlockSettings):
        KIND: ClassVar[str] = "conv"
        SPEC: ClassVar[type[BlockSpec]] = ConvSpec

        kernels: tuple[int, ...]

        def lower(self, shape: Shape, rounding: Rounding) -> BlockSpec:
            raise NotImplementedError

    with pytest.raises(UserError, match=r"Listed.kernels is of type tuple.*; allowed: int, float, str, bool"):
        register(Listed)


def test_costs_are_sums_over_operations() -> None:
    spec = ConvSpec(
        in_channels=3, in_height=8, in_width=8, out_channels=4, kernel=3, stride=2, activation="relu"
    )
    assert spec.macs == sum(op.macs for op in spec.ops) == 4 * 3 * 9 * 16
    assert spec.params == 4 * 3 * 9 + 2 * 4


def test_a_field_that_a_kind_got_later_changes_no_earlier_network() -> None:
    settings = make_settings("inverted_residual", {"width": 8})
    assert "biased" not in settings.to_dict() and "expand" in settings.to_dict()
    changed = make_settings("inverted_residual", {"width": 8, "biased": True})
    assert changed.to_dict()["biased"] is True
    for each in (settings, changed):
        assert settings_from_dict(each.to_dict()) == each
