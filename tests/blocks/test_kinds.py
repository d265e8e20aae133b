"""Geometry and cost of every kind of block, against figures worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from nas.blocks import BlockSpec, Rounding, Shape, block_kinds, make_settings, parse_key, settings_type
from nas.blocks.operation import OPERATIONS
from nas.blocks.ops import INPUT, Conv2d, Pool
from nas.errors import UserError

IN = Shape(16, 9, 9)
EXAMPLES: dict[str, dict[str, Any]] = {
    "conv": {"width": 24, "stride": 2},
    "depthwise_separable": {"width": 24, "stride": 2},
    "inverted_residual": {"width": 24, "stride": 2, "squeeze": 0.25},
    "fused_inverted_residual": {"width": 24, "stride": 2},
    "universal_inverted_bottleneck": {"width": 24, "stride": 2, "start_kernel": 3},
    "residual_basic": {"width": 24, "stride": 2},
    "residual_bottleneck": {"width": 32, "stride": 2},
    "convnext": {"width": 24, "stride": 2},
    "patchify": {"width": 24, "stride": 4},
    "operation": {"width": 24, "stride": 2, "operation": "depthwise3x3"},
    "max_pool": {},
    "pool": {},
    "layer_norm": {},
    "tokens": {"width": 24, "patch": 4},
    "first_token": {},
    "vit": {"heads": 2, "head_dim": 8},
    "linear_attention": {"head_dim": 8},
    "gated_conv": {},
    "state_space": {"head_dim": 8},
    "swin": {"width": 24, "head_dim": 8, "window": 3, "stride": 2},
    "levit": {"width": 24, "head_dim": 8, "stride": 2},
    "batch_norm": {},
}
SIDES = {"pool": 1, "first_token": 1, "convnext": 4, "patchify": 2, "tokens": 2}
SIDES |= dict.fromkeys(
    ("layer_norm", "batch_norm", "vit", "linear_attention", "gated_conv", "state_space"), 9
)


def lower(kind: str, shape: Shape = IN, **fields: Any) -> BlockSpec:
    return make_settings(kind, fields).lower(shape, Rounding())


def roles(spec: BlockSpec) -> list[str]:
    return [op.role for op in spec.ops if op.role]


def test_every_kind_has_an_example() -> None:
    ours = {kind for kind in block_kinds() if settings_type(kind).__module__.startswith("nas.blocks.")}
    assert ours - {"linear"} == set(EXAMPLES)  # without the kinds that other tests have registered


@pytest.mark.parametrize(("kind", "fields"), EXAMPLES.items())
def test_geometry(kind: str, fields: dict[str, Any]) -> None:
    spec = lower(kind, **fields)
    assert spec.in_shape == IN
    assert parse_key(spec.key) == spec
    assert spec.out_shape.channels == fields.get("width", 16)
    expected = SIDES.get(kind, 5)
    assert spec.out_shape.height == spec.out_shape.width == expected


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("inverted_residual", {"kernel": 3}),
        ("fused_inverted_residual", {"kernel": 3}),
        ("universal_inverted_bottleneck", {}),
        ("residual_basic", {}),
        ("residual_bottleneck", {}),
    ],
)
def test_the_identity_shortcut_is_there_where_it_fits(kind: str, fields: dict[str, Any]) -> None:
    assert lower(kind, width=16, **fields).shortcut == "identity"  # type: ignore[attr-defined]
    assert lower(kind, width=24, **fields).shortcut != "identity"  # type: ignore[attr-defined]
    assert lower(kind, width=16, stride=2, **fields).shortcut != "identity"  # type: ignore[attr-defined]


def test_fused_inverted_residual() -> None:
    assert lower("fused_inverted_residual", width=24, expand=4).macs == 81 * (9 * 16 * 64 + 64 * 24)
    single = lower("fused_inverted_residual", width=16, expand=1)
    assert roles(single) == ["single"]
    assert single.macs == 81 * 9 * 16 * 16


@pytest.mark.parametrize(
    ("start", "middle", "macs"),
    [
        (0, 3, 81 * 16 * 64 + 25 * (9 * 64 + 64 * 24)),  # inverted residual
        (3, 0, 25 * (9 * 16 + 16 * 64 + 64 * 24)),  # ConvNeXt-like
        (5, 3, 81 * (25 * 16 + 16 * 64) + 25 * (9 * 64 + 64 * 24)),  # ExtraDW
        (0, 0, 25 * (16 * 64 + 64 * 24)),  # feed-forward
    ],
)
def test_universal_inverted_bottleneck(start: int, middle: int, macs: int) -> None:
    spec = lower(
        "universal_inverted_bottleneck",
        width=24,
        stride=2,
        expand=4,
        start_kernel=start,
        middle_kernel=middle,
    )
    assert spec.macs == macs
    assert spec.out_shape == Shape(24, 5, 5)


def test_residual_basic_has_its_stride_in_the_first_convolution() -> None:
    spec = lower("residual_basic", width=32, stride=2)
    assert roles(spec) == ["first", "second", "shortcut"]
    assert spec.macs == 25 * (9 * 16 * 32 + 9 * 32 * 32 + 16 * 32)
    assert spec.ops[-1].name == "relu"


def test_residual_bottleneck_has_its_stride_in_the_middle() -> None:
    spec = lower("residual_bottleneck", width=64, stride=2, expand=0.25)
    assert roles(spec) == ["reduce", "spatial", "restore", "shortcut"]
    assert spec.macs == 81 * 16 * 16 + 25 * (9 * 16 * 16 + 16 * 64 + 16 * 64)


def test_shortcuts() -> None:
    pooled = lower("residual_bottleneck", width=64, stride=2, shortcut="pool_projection")
    assert any(isinstance(op, Pool) for op in pooled.ops)
    assert pooled.macs == lower("residual_bottleneck", width=64, stride=2).macs
    assert lower("residual_bottleneck", width=64, shortcut="pool_projection").shortcut == "projection"  # type: ignore[attr-defined]
    assert "shortcut" not in roles(lower("residual_basic", width=64, shortcut="none"))


def test_convnext() -> None:
    block = lower("convnext", width=16)
    assert roles(block) == ["depthwise", "norm", "expand", "project", "scale"]
    assert block.macs == 81 * 16 * (49 + 2 * 64)
    assert block.params == 16 * 49 + 16 + 32 + 16 * 64 + 64 + 64 * 16 + 16 + 16
    first = lower("convnext", width=24, stride=2)
    assert roles(first)[:2] == ["downsample_norm", "downsample"]
    assert first.macs == 16 * (4 * 16 * 24 + 24 * (49 + 2 * 96))
    wider = lower("convnext", width=24)
    assert next(op.kernel for op in wider.ops if isinstance(op, Conv2d)) == 1


@pytest.mark.parametrize(
    ("operation", "same", "changed"),
    [
        ("conv3x3", 81 * 9 * 256, 25 * 9 * 16 * 24),
        ("conv5x5", 81 * 25 * 256, 25 * 25 * 16 * 24),
        ("depthwise3x3", 81 * 9 * 16, 25 * (9 * 16 + 16 * 24)),
        ("depthwise5x5", 81 * 25 * 16, 25 * (25 * 16 + 16 * 24)),
        ("max_pool", 0, 25 * 16 * 24),
        ("identity", 0, 25 * 16 * 24),
    ],
)
def test_operations(operation: str, same: int, changed: int) -> None:
    assert operation in OPERATIONS
    assert lower("operation", width=16, operation=operation).macs == same
    other = lower("operation", width=24, stride=2, operation=operation)
    assert (other.macs, other.out_shape) == (changed, Shape(24, 5, 5))


def test_operations_share_no_weights() -> None:
    seen = [roles(lower("operation", width=24, stride=2, operation=operation)) for operation in OPERATIONS]
    flat = [role for group in seen for role in group]
    assert len(flat) == len(set(flat))


def test_inverted_residual_takes_squeeze_of_what_it_says() -> None:
    of_expanded = lower("inverted_residual", width=24, expand=6, squeeze=0.25)
    of_input = make_settings(
        "inverted_residual", {"width": 24, "expand": 6, "squeeze": 0.25, "squeeze_of": "input"}
    ).lower(IN, Rounding(squeeze_divisor=1))
    assert (of_expanded.squeeze_channels, of_input.squeeze_channels) == (24, 4)  # type: ignore[attr-defined]


def test_tokens_are_patches_with_a_class_token_and_a_table_of_positions() -> None:
    spec = lower("tokens", width=24, patch=4, class_token=True, norm=True)
    assert roles(spec) == ["embed", "norm", "token", "position"]
    assert (spec.macs, spec.out_shape) == (4 * 16 * 16 * 24, Shape(24, 5, 1))
    assert spec.params == 16 * 16 * 24 + 24 + 2 * 24 + 24 + 5 * 24
    assert lower("tokens", width=24, patch=4, position=False).out_shape == Shape(24, 2, 2)


def test_a_vit_block_is_attention_and_a_feed_forward_network() -> None:
    spec = lower("vit", heads=2, head_dim=8, expand=3)
    assert roles(spec) == [
        *("attention_norm", "query", "key", "value", "attended"),
        *("norm", "expand", "project"),
    ]
    assert spec.macs == 81 * 4 * 16 * 16 + 2 * 81**2 * 16 + 81 * 2 * 16 * 48
    assert spec.params == 2 * 32 + 4 * (256 + 16) + 2 * 16 * 48 + 48 + 16
    scaled = lower("vit", heads=2, head_dim=8, expand=3, scale=True)
    assert scaled.params == spec.params + 2 * 16


@pytest.mark.parametrize(("width", "heads"), [(192, 3), (96, 1), (16, 1)])
def test_a_vit_block_has_as_many_heads_as_fit_into_its_width(width: int, heads: int) -> None:
    assert lower("vit", Shape(width, 4, 4)).attention_channels == 64 * heads  # type: ignore[attr-defined]


def test_an_image_smaller_than_a_patch_is_refused() -> None:
    with pytest.raises(UserError, match=r"an image of 9×9 pixels holds no patch of 16×16; use smaller patch"):
        lower("tokens", width=24)


def test_a_levit_block_has_keys_narrower_than_values_and_a_number_for_each_offset() -> None:
    spec = lower("levit", width=16, heads=3, head_dim=4)
    products = ["query", "key", "value", "attended", "expand", "project"]
    assert roles(spec) == [*products[:3], "position_bias", *products[3:]]
    weights = 16 * (12 + 12 + 24) + 24 * 16 + 2 * 16 * 32
    assert spec.macs == 81 * weights + 81**2 * (12 + 24)
    assert spec.params == weights + 2 * (12 + 12 + 24 + 16 + 32 + 16) + 3 * 81
    assert next(op.inputs for op in spec.ops if op.name == "addition")[1] == INPUT


def test_a_levit_block_with_a_stride_has_fewer_queries_and_wider_values() -> None:
    spec = lower("levit", width=24, head_dim=8, stride=2)
    assert spec.macs == (
        25 * 16 * 16  # a query for every other pixel
        + 81 * 16 * (16 + 2 * 2 * 16)
        + 25 * 81 * (16 + 64)
        + 25 * (64 * 24 + 2 * 24 * 48)
    )
    assert INPUT not in {i for op in spec.ops if op.name == "addition" for i in op.inputs}
    wider = lower("levit", width=24, head_dim=8)
    assert INPUT not in {i for op in wider.ops if op.name == "addition" for i in op.inputs}


def test_linear_attention_has_two_scales_of_every_query_key_and_value() -> None:
    spec = lower("linear_attention", head_dim=8, expand=4)
    assert spec.macs == 81 * (
        3 * 16 * (16 + 25 + 8)  # queries, keys and values, and those of the second scale
        + 2 * 32 * (8 + 1)
        + 32 * 16
        + 16 * 64 * 2
        + 64 * 9
    )
    single = lower("linear_attention", head_dim=8, expand=4, scale_kernel=0)
    assert roles(single) == ["query", "key", "value", "attended", "expand", "depthwise", "project"]
    # In timm's module for 64 channels, with heads of 16.
    published = lower("linear_attention", Shape(64, 14, 14), expand=4)
    assert (published.params, published.macs) == (64_192, 13_284_096)


def test_an_inverted_residual_with_biases_has_one_norm() -> None:
    spec = lower("inverted_residual", width=24, expand=4, biased=True)
    assert spec.params == 16 * 64 + 64 + 9 * 64 + 64 + 64 * 24 + 2 * 24
    assert "biased=True" in spec.key
    assert "biased" not in lower("inverted_residual", width=24, expand=4).key


def test_a_gated_convolution_mixes_a_share_of_its_values() -> None:
    spec = lower("gated_conv", expand=3, share=0.5, kernel=5)
    assert roles(spec) == ["norm", "gate", "mixed", "depthwise", "rest", "project"]
    assert spec.macs == 81 * (16 * 48 * 3 + 25 * 8)
    assert roles(lower("gated_conv", expand=1)) == ["norm", "gate", "mixed", "depthwise", "project"]
    with pytest.raises(UserError, match="share is 2; it lies above 0 and is at most expand, 1"):
        lower("gated_conv", expand=1, share=2)


def test_patches_overlap_where_they_have_a_kernel() -> None:
    assert lower("patchify", width=24, stride=2).macs == 16 * 4 * 16 * 24
    overlapping = lower("patchify", width=24, stride=2, patch_kernel=3, activation="gelu")
    assert (overlapping.macs, overlapping.ops[-1].name) == (25 * 9 * 16 * 24, "gelu")
