"""Every search space that we ship."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from counting import count_networks

from nas.arrays import IntArray
from nas.blocks import parse_key
from nas.network import NetworkSpec, reference_network
from nas.resources import names, shipped
from nas.space import SearchSpace

SPACES = sorted(path.stem for path in shipped("search_spaces").glob("*.yaml"))
EXPECTED = {
    *(
        "mobilenet_v1",
        "mobilenet_v2",
        "ofa_mobilenet_v3",
        "ofa_mobilenet_v3_w12",
        "ofa_proxyless_w13",
        "ofa_resnet50",
        "proxyless",
        "mnasnet",
        "fbnet",
    ),
    *(
        "efficientnet",
        "efficientnet_lite",
        "efficientnet_lite_near",
        "mobilenet_v4",
        "resnet50",
        "convnext",
        "cell",
        "tiny_24",
        "tiny_32",
        "mobilenet_32",
        "mixed",
        "mixed_32",
    ),
    *("autoformer_tiny", "vit_32", "swin", "mixed_attention", "mixed_attention_32", "vision_mamba", "levit"),
}


def all_rows(space: SearchSpace) -> IntArray:
    """Every architecture as a canonical row, by going through all choices."""
    sizes = [len(dimension.choices) for dimension in space.dimensions]
    rows = np.indices(sizes).reshape(len(sizes), -1).T
    return np.unique(space.canonical_rows(np.ascontiguousarray(rows)), axis=0)


def test_the_field_s_spaces_are_there() -> None:
    assert EXPECTED == set(SPACES) <= set(names("search_spaces", ".yaml"))


@pytest.mark.parametrize("name", SPACES)
def test_source_and_size_are_stated_and_the_size_counts_distinct_networks(name: str) -> None:
    space = SearchSpace.load(name)
    assert space.source
    assert space.description
    assert space.stated_size == space.size
    ends = dataclasses.replace(space, resolutions=tuple({space.resolutions[0], space.resolutions[-1]}))
    assert count_networks(ends) * len(space.resolutions) == space.size * len(ends.resolutions)


@pytest.mark.parametrize("name", sorted(set(SPACES) - {"tiny_32"}))
def test_no_choice_is_useless(name: str) -> None:
    assert SearchSpace.load(name).warnings() == ()


def test_tiny_32_offers_a_kernel_that_spans_its_last_feature_map() -> None:
    assert all("a kernel of 5 is larger" in warning for warning in SearchSpace.load("tiny_32").warnings())


@pytest.mark.parametrize("name", SPACES)
def test_many_at_once_equal_one_by_one(name: str) -> None:
    space = SearchSpace.load(name)
    rows = space.sample_many(8, np.random.default_rng(0))
    costs, lowered = space.costs(rows), space.lower_many(rows)
    for number, arch in enumerate(space.decode(rows)):
        network = space.network(arch)
        assert (network.macs, network.params) == (costs["macs"][number], costs["params"][number])
        assert network.blocks == tuple(lowered.blocks[i] for i in lowered.index[number] if i >= 0)
        assert NetworkSpec.from_dict(network.to_dict()) == network
        assert space.parse(str(arch)) == arch == type(arch).from_dict(arch.to_dict())
        assert tuple(parse_key(block.key) for block in network.blocks) == network.blocks


@pytest.mark.parametrize("name", SPACES)
def test_the_ends_of_the_space_enclose_a_sample(name: str) -> None:
    space = SearchSpace.load(name)
    macs = space.costs(space.sample_many(200, np.random.default_rng(0)))["macs"]
    smallest, largest = (space.network(arch).macs for arch in (space.smallest(), space.largest()))
    assert smallest < macs.min()
    assert macs.max() < largest or name.startswith(("mixed", "mnasnet"))  # kinds have no order


def test_mobilenet_v1_counted_one_by_one() -> None:
    space = SearchSpace.load("mobilenet_v1")
    rows = all_rows(space)
    distinct = np.unique(space.lower_many(rows).index, axis=0)
    assert len(rows) == len(distinct) == space.size == 196_608


def test_a_stage_with_kinds_counted_one_by_one() -> None:
    """A part of ``mixed_32``, small enough to list: its kinds read different fields."""
    mixed = SearchSpace.load("mixed_32")
    stage = dataclasses.replace(
        mixed.stages[1],
        number=0,
        depths=(1, 2),
        shared={**mixed.stages[1].shared, "activation": ("relu",), "stride": (1,)},
    )
    space = dataclasses.replace(mixed, resolutions=(24,), stages=(stage,))
    rows = all_rows(space)
    networks = {space.network(arch) for arch in space.decode(rows)}
    assert len(rows) == len({network.blocks for network in networks}) == space.size == count_networks(space)


@pytest.mark.parametrize(
    ("space", "reference", "choices"),
    [
        ("mobilenet_v1", "mobilenet_v1", {}),
        ("convnext", "convnext_tiny", {}),
    ],
)
def test_the_largest_network_is_the_published_one(
    space: str, reference: str, choices: dict[str, int]
) -> None:
    loaded = SearchSpace.load(space)
    assert loaded.network(loaded.largest()).blocks == reference_network(reference).blocks


def test_mobilenet_v2_contains_mobilenet_v2() -> None:
    space = SearchSpace.load("mobilenet_v2")
    assert space.network(space.largest()).blocks == reference_network("mobilenet_v2").blocks


def test_a_window_that_is_mostly_padding_is_reported() -> None:
    space = dataclasses.replace(SearchSpace.load("swin"), resolutions=(112,))
    [warning] = [text for text in space.warnings() if text.startswith("stage 2")]
    assert (
        "a window of 14 is larger than the feature map of 7×7 pixels at resolution 112; leave it" in warning
    )


def test_swin_contains_swin_t() -> None:
    space, swin_t = SearchSpace.load("swin"), reference_network("swin_t")
    stages = [
        {"width": int(stage[0].width), "window": [7] * len(stage), "expand": [4] * len(stage)}
        for stage in swin_t.stages
    ]
    stages[2] |= {"depth": 3, "window": 7}
    del stages[3]["window"]
    arch = space.canonical(type(space.smallest()).from_dict({"stages": stages}))
    assert space.network(arch).blocks == swin_t.blocks


def test_levit_contains_levit_128s() -> None:
    space, levit = SearchSpace.load("levit"), reference_network("levit_128s")
    stages = [
        {
            "depth": len(stage),
            "width": int(stage[0].width),
            "heads": [block.heads for block in stage],
            "expand": [2] * len(stage),
        }
        for stage in levit.stages
    ]
    del stages[0]["width"]
    stages[1]["heads"][0], stages[2]["heads"][0] = 8, 16  # as many as fit into the width before
    arch = space.canonical(type(space.smallest()).from_dict({"resolution": 224, "stages": stages}))
    assert space.network(arch).blocks == levit.blocks


def test_efficientnet_contains_b0() -> None:
    space, b0 = SearchSpace.load("efficientnet"), reference_network("efficientnet_b0")
    stages = [
        {
            "depth": len(stage),
            "width": int(stage[0].width),
            "kernel": [b.kernel for b in stage],
            "expand": [6] * len(stage),
        }
        for stage in b0.stages
    ]
    del stages[0]["expand"]
    arch = space.canonical(type(space.smallest()).from_dict({"resolution": 224, "stages": stages}))
    assert space.network(arch).blocks == b0.blocks


def test_mobilenet_v4_contains_conv_small() -> None:
    space, network = SearchSpace.load("mobilenet_v4"), reference_network("mobilenetv4_conv_small")
    stages = [
        {
            "depth": len(stage),
            "width": int(stage[0].width),
            **{
                name: [getattr(b, name) for b in stage]
                for name in ("start_kernel", "middle_kernel", "expand")
            },
        }
        for stage in network.stages[2:]
    ]
    arch = space.canonical(type(space.smallest()).from_dict({"resolution": 224, "stages": stages}))
    assert space.network(arch).blocks == network.blocks
