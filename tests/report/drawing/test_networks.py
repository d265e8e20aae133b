"""Drawings of networks: well-formed, true to the blocks, with exactly the differences marked."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.network import NetworkSpec, reference_network
from nas.report.drawing import Drawn, Kinds, Scale, cell_of, draw
from nas.report.drawing.facts import facts
from nas.report.drawing.kinds import short
from nas.space import Architecture, SearchSpace

SPACES = [
    SearchSpace.load(name) for name in ("tiny_24", "mixed_32", "cell", "convnext", "ofa_resnet50", "vit_32")
]
SVG = "{http://www.w3.org/2000/svg}"


@st.composite
def networks(draw_value: st.DrawFn) -> NetworkSpec:
    space = draw_value(st.sampled_from(SPACES))
    rng = np.random.default_rng(draw_value(st.integers(0, 10**6)))
    return space.network(space.sample(rng), classes=10)


def texts(svg: str, row: int) -> list[str]:
    root = ElementTree.fromstring(svg)
    return [
        each.text or "" for each in root.iter(f"{SVG}text") if f"r{row}" in (each.get("class") or "").split()
    ]


@given(networks(), st.integers(200, 1400))
def test_every_block_stands_in_order_inside_the_width(network: NetworkSpec, width: int) -> None:
    svg = draw([Drawn("winner", network)], width=width)
    assert texts(svg, 0) == [short(block.KIND) for block in network.blocks]
    assert texts(svg, 3) == [str(block.out_shape.channels) for block in network.blocks]
    root = ElementTree.fromstring(svg)
    right = max(
        float(re.findall(r"[\d.]+", group.get("transform") or "")[0])
        + float(next(group.iter(f"{SVG}rect")).get("width") or 0)
        for group in root.iter(f"{SVG}g")
    )
    assert right <= float(root.get("width") or 0) <= max(width, 340)


@given(networks())
def test_shapes_grow_with_channels_and_resolution(network: NetworkSpec) -> None:
    scale = Scale.of(list(network.blocks))
    channels = sorted({block.out_shape.channels for block in network.blocks})
    widths = [scale.width(each) for each in channels]
    assert widths == sorted(widths)
    assert scale.width(scale.channels) > scale.width(max(scale.channels // 2, 1)) or scale.channels == 1
    kinds = Kinds.of(network.blocks)
    for block in network.blocks:
        cell = cell_of(block, scale=scale, kinds=kinds)
        shapes = re.findall(r'<path class="k\w+( inner)?" d="M(.*?)Z"', cell.svg)
        corners = [tuple(map(float, pair.split())) for pair in shapes[-1][1].split("L")]
        (left, top), (right, right_top), (_, right_bottom), (_, bottom) = corners
        assert right - left == pytest.approx(scale.width(block.out_shape.channels), abs=0.2)
        assert bottom - top == pytest.approx(scale.height(block.in_shape.pixels), abs=0.2)
        assert right_bottom - right_top == pytest.approx(scale.height(block.out_shape.pixels), abs=0.2)
        assert (len(shapes) == 2) == (facts(block).inner_channels > block.out_shape.channels)
        assert left >= 0 and right <= cell.width


def test_marks_are_those_of_the_operations() -> None:
    mobile, residual = (reference_network(name) for name in ("mobilenet_v3_large", "resnet50"))
    known = [facts(block) for block in mobile.blocks]
    squeezes = [getattr(block, "squeeze_channels", 0) > 0 for block in mobile.blocks]
    assert any(squeezes) and [each.squeezes for each in known] == squeezes
    shortcuts = [each.shortcut for each in known]
    assert shortcuts.count("identity") == sum(
        getattr(block, "shortcut", "none") == "identity" for block in mobile.blocks
    )
    assert [facts(block).shortcut for block in residual.blocks].count("projected") == 4
    svg = draw([Drawn("MobileNetV3", mobile)])
    assert svg.count('class="arc identity"') == shortcuts.count("identity")
    assert svg.count(">SE</text>") == sum(squeezes)


def test_exactly_the_differences_are_marked() -> None:
    space = SearchSpace.load("tiny_24")
    first = space.network(space.largest(), classes=10)
    value = space.largest().to_dict()
    name = next(name for name, each in value["stages"][1].items() if name == "kernel" or "kernel" in name)
    value["stages"][1][name] = [3] * len(value["stages"][1][name])
    second = space.network(space.canonical(Architecture.from_dict(value)), classes=10)
    changed = sum(a != b for a, b in zip(first.blocks, second.blocks, strict=True))
    assert 0 < changed < len(first.blocks)
    svg = draw([Drawn("a", first), Drawn("b", second)])
    assert svg.count('class="differs d1"') == 2 * changed
    assert 'class="differs' not in draw([Drawn("a", first), Drawn("b", first)])


@given(networks(), networks())
def test_a_missing_block_leaves_its_place_empty(first: NetworkSpec, second: NetworkSpec) -> None:
    svg = draw([Drawn("a", first), Drawn("b", second)], width=800)
    longest = len(texts(svg, 0)) + svg.count('class="absent"')
    assert longest % 2 == 0
    assert len(texts(svg, 0)) == len(first.blocks) + len(second.blocks)


def test_names_from_outside_are_text() -> None:
    network = reference_network("mobilenet_v2", resolution=32, width=0.35)
    svg = draw([Drawn("<script>alert(1)</script>", network), Drawn("&", network)])
    root = ElementTree.fromstring(svg)
    assert not list(root.iter(f"{SVG}script"))
    assert any((each.text or "").startswith("<script>") for each in root.iter(f"{SVG}text"))
