"""Choices that a device dislikes are removed."""

from __future__ import annotations

import numpy as np
import pytest

from nas.blocks.ops import Conv2d
from nas.errors import UserError
from nas.nn import Supernet
from nas.space import SearchSpace


def test_kinds_that_are_not_preferred_go_with_the_fields_that_only_they_read() -> None:
    space = SearchSpace.load("mixed_32").restricted(
        preferred_blocks=["residual_basic", "fused_inverted_residual"]
    )
    kinds = [stage.kinds for stage in space.stages]
    assert kinds == [
        ("fused_inverted_residual", "residual_basic"),
        ("fused_inverted_residual",),
        ("residual_basic",),
    ]
    assert not any("squeeze" in stage.shared or "start_kernel" in stage.per_block for stage in space.stages)


def test_no_preference_removes_nothing() -> None:
    space = SearchSpace.load("mixed_32")
    assert space.restricted() == space
    assert (
        space.restricted(preferred_blocks=("pool", *tuple({k for s in space.stages for k in s.kinds})))
        == space
    )


@pytest.mark.parametrize(("multiple", "limit"), [(16, None), (None, 200), (16, 192)])
def test_channel_counts_obey(multiple: int | None, limit: int | None) -> None:
    space = SearchSpace.load("mixed_32")
    narrow = space.restricted(channel_multiple=multiple, max_width=limit)
    assert narrow.size < space.size
    rng = np.random.default_rng(0)
    for arch in (*(narrow.sample(rng) for _ in range(50)), narrow.largest()):
        for place, block in narrow.network(arch).placed_blocks:
            if place.section == "stages":
                counts = {
                    op.out_channels for op in block.ops if isinstance(op, Conv2d) and op.in_shape.pixels > 1
                }
                assert all(count % (multiple or 1) == 0 and count <= (limit or count) for count in counts)


def test_networks_stay_networks_of_the_whole_space() -> None:
    space = SearchSpace.load("tiny_32")
    narrow = space.restricted(preferred_blocks=["inverted_residual"], max_width=130)
    supernet = Supernet(space, classes=2)
    network = narrow.network(narrow.sample(np.random.default_rng(0)))
    assert supernet.extract(network).network.blocks[:-1] == network.blocks[:-1]


def test_what_is_fixed_is_not_a_choice() -> None:
    space = SearchSpace.load("fbnet")  # fixed kinds and widths
    assert space.restricted(preferred_blocks=["conv"], channel_multiple=1) == space


def test_nothing_left_of_the_kinds() -> None:
    with pytest.raises(
        UserError,
        match=r"stage 0: none of its kinds \(depthwise_separable, .*prefers \(convnext\); choose another",
    ):
        SearchSpace.load("mixed_32").restricted(preferred_blocks=["convnext"])


def test_nothing_left_of_the_widths() -> None:
    with pytest.raises(
        UserError,
        match=r"stage 0: nothing is left of width 16, 24, .* to be a multiple of 32; choose another space",
    ):
        SearchSpace.load("mixed_32").restricted(channel_multiple=32)


def test_nothing_left_of_the_expansions() -> None:
    with pytest.raises(UserError, match=r"stage \d: nothing is left of expand 3, 4, 6, .* at most 96;"):
        SearchSpace.load("mobilenet_32").restricted(max_width=96)


def test_a_preferred_kind_that_does_not_exist() -> None:
    with pytest.raises(UserError, match="unknown block kind 'residual_basics'; did you mean residual_basic"):
        SearchSpace.load("mixed_32").restricted(preferred_blocks=["residual_basics"])
