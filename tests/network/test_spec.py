"""A network is lowered in one place, survives JSON, and says where a block does not fit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from nas.blocks import Rounding, Shape
from nas.blocks.conv import Conv
from nas.blocks.depthwise_separable import DepthwiseSeparable
from nas.blocks.linear import Linear
from nas.blocks.pool import Pool
from nas.errors import UserError
from nas.network import CLASSIFIER, NetworkSpec, Place

NETWORK = NetworkSpec(
    resolution=32,
    classes=10,
    stem=(Conv(width=12, stride=2),),
    stages=(
        (DepthwiseSeparable(width=20, stride=2), DepthwiseSeparable(width=20)),
        (Conv(width=40, stride=2),),
    ),
    head=(Pool(), Linear(width=64)),
)


def test_blocks_follow_one_another() -> None:
    blocks = NETWORK.blocks
    assert blocks[0].in_shape == Shape(3, 32, 32)
    assert [a.out_shape for a in blocks[:-1]] == [b.in_shape for b in blocks[1:]]
    assert blocks[-1].out_shape == Shape(10, 1, 1)
    assert NETWORK.macs == sum(block.macs for block in blocks)
    assert NETWORK.params == sum(block.params for block in blocks)


def test_places_name_section_stage_and_index() -> None:
    places = [place for place, _ in NETWORK.placed_blocks]
    assert list(map(str, places)) == [
        "stem block 0",
        "stage 0 block 0",
        "stage 0 block 1",
        "stage 1 block 0",
        "head block 0",
        "head block 1",
        "classifier",
    ]
    assert places[-1] == CLASSIFIER
    assert places[1] == Place("stages", 0, 0)


def test_the_classifier_is_never_rounded() -> None:
    assert replace(NETWORK, classes=13).blocks[-1].out_shape.channels == 13


def test_json_both_ways() -> None:
    assert NetworkSpec.from_dict(NETWORK.to_dict()) == NETWORK
    rounded = replace(NETWORK, rounding=Rounding(divisor=1))
    assert NetworkSpec.from_dict(rounded.to_dict()) == rounded != NETWORK


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": 1}, r"a network has no \['colour'\]; its keys are classes, head"),
        ({"stages": None}, "the network cannot be read"),
        ({"rounding": {"divider": 8}}, "the network cannot be read: .*divider"),
        ({"resolution": 0}, "resolution is 0; it must be a whole number from 1 to 2147483647"),
        ({"stem": [{"kind": "convv", "width": 8}]}, "unknown block kind 'convv'; did you mean conv"),
        ({"stages": [[{"kind": "conv"}]]}, "stage 0 block 0: a block of kind conv needs 'width'"),
    ],
)
def test_json_that_is_wrong(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        NetworkSpec.from_dict({**NETWORK.to_dict(), **change})


def test_json_that_lacks_a_key() -> None:
    value = NETWORK.to_dict()
    del value["head"]
    with pytest.raises(UserError, match="the network lacks 'head'; its keys are"):
        NetworkSpec.from_dict(value)


def test_a_head_without_pooling_is_refused_where_it_stands() -> None:
    with pytest.raises(
        UserError, match="classifier: a fully connected layer gets 4×4 pixels; put a block of kind pool"
    ):
        replace(NETWORK, head=()).blocks  # noqa: B018
    with pytest.raises(UserError, match="head block 0: a fully connected layer gets 4×4 pixels"):
        replace(NETWORK, head=(Linear(width=64),)).blocks  # noqa: B018


def test_a_stride_on_one_pixel_keeps_one_pixel_as_in_pytorch() -> None:
    assert replace(NETWORK, resolution=4).blocks[3].out_shape == Shape(40, 1, 1)
