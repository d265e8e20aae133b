"""Published networks: parameters and multiply-accumulates, to the last digit."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from nas.blocks.conv import ConvSpec
from nas.blocks.depthwise_separable import DepthwiseSeparableSpec
from nas.blocks.ops import Conv2d, Linear, Shape
from nas.errors import UserError
from nas.network import NetworkSpec, reference_names, reference_network
from nas.nn import StaticNetwork

NAMES = reference_names()
IN_TORCHVISION = [name for name in NAMES if hasattr(torchvision.models, name)]
REQUIRED = [
    "mobilenet_v1",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "mobilenet_v3_large",
    "mnasnet1_0",
    "efficientnet_b0",
    "efficientnet_b1",
    "efficientnet_b2",
    "efficientnet_b3",
    "efficientnet_b4",
    "efficientnet_b5",
    "efficientnet_b6",
    "efficientnet_b7",
    "efficientnet_lite0",
    "efficientnet_lite1",
    "efficientnet_lite2",
    "efficientnet_lite3",
    "efficientnet_lite4",
    "efficientnet_v2_s",
    "mobilenetv4_conv_small",
    "resnet18",
    "resnet20",
    "resnet50",
    "resnet152",
    "convnext_tiny",
    "vit_b_16",
    "vit_b_32",
    "vit_l_16",
    "deit_tiny",
    "deit_small",
    "swin_t",
    "swin_s",
    "swin_b",
    "efficientvit_b0",
    "efficientvit_b1",
    "mambaout_femto",
    "levit_128s",
    "levit_192",
]

# Millions of parameters and of multiply-accumulates as published, to the digits that are published.
PUBLISHED = {
    "mobilenet_v1": (4.2, 569),
    "mobilenet_v2": (3.5, 301),
    "mobilenet_v3_small": (2.5, 57),
    "mobilenet_v3_large": (5.5, 217),
    "mnasnet1_0": (4.4, 314),
    "efficientnet_b0": (5.3, 386),
    "efficientnet_b3": (12.2, 1827),
    "efficientnet_lite0": (4.7, 385),
    "efficientnet_lite4": (13.0, 2553),
    "efficientnet_v2_s": (21.5, 8366),
    "mobilenetv4_conv_small": (3.8, 186),
    "resnet18": (11.7, 1814),
    "resnet50": (25.6, 4089),
    "resnet152": (60.2, 11514),
    "convnext_tiny": (28.6, 4456),
    "vit_b_16": (86.6, 17564),
    "vit_b_32": (88.2, 4409),
    "vit_l_16": (304.3, 61555),
    "deit_tiny": (5.7, 1254),
    "deit_small": (22.1, 4599),
    "swin_t": (28.3, 4491),
    "swin_s": (49.6, 8741),
    "swin_b": (87.8, 15431),
    "efficientvit_b0": (3.4, 100),
    "efficientvit_b1": (9.1, 519),
    "mambaout_femto": (7.3, 1148),
    "levit_128s": (7.4, 304),
    "levit_192": (10.6, 657),
}


def torchvision_params(name: str, **arguments: object) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in getattr(torchvision.models, name)(**arguments).parameters())


def counted_macs(network: NetworkSpec, build: Callable[[], nn.Module] | None = None) -> int:
    """What PyTorch's own counter sees in the static module, or in another one for the same images."""
    torch.backends.mha.set_fastpath_enabled(False)  # torchvision's attention is opaque to the counter in it
    with torch.device("meta"):
        module = (build() if build else StaticNetwork(network)).eval()
        images = torch.empty(1, network.input_channels, network.resolution, network.resolution)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            module(images)
    flops = counter.get_total_flops()
    assert flops % 2 == 0
    return flops // 2


def test_every_network_that_the_field_asks_for_is_there() -> None:
    assert set(REQUIRED) <= set(NAMES)


@pytest.mark.parametrize("name", IN_TORCHVISION)
def test_parameters_equal_torchvision(name: str) -> None:
    assert reference_network(name).params == torchvision_params(name)


LARGE = {f"efficientnet_b{n}" for n in range(4, 8)} | {f"efficientnet_lite{n}" for n in range(1, 5)}
LARGE |= set(NAMES) - set(REQUIRED)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long) if name in LARGE else name for name in NAMES]
)
def test_macs_and_parameters_equal_what_pytorch_counts(name: str) -> None:
    network = reference_network(name)
    assert network.macs == counted_macs(network)
    with torch.device("meta"):
        assert network.params == sum(p.numel() for p in StaticNetwork(network).parameters())


@pytest.mark.parametrize(
    ("name", "width"),
    [
        (name, width)
        for name in ("mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large")
        for width in (0.25, 0.35, 0.5, 0.75, 1.25, 1.4)
    ],
)
def test_width_multipliers_equal_torchvision(name: str, width: float) -> None:
    expected = torchvision_params(name, width_mult=width, num_classes=10)
    assert reference_network(name, width=width, classes=10).params == expected


@pytest.mark.parametrize("alpha", [0.35, 0.5, 1.3])
def test_mnasnet_widths_equal_torchvision(alpha: float) -> None:
    with torch.device("meta"):
        expected = sum(p.numel() for p in torchvision.models.MNASNet(alpha).parameters())
    assert reference_network("mnasnet1_0", width=alpha).params == expected


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_numbers(name: str) -> None:
    network = reference_network(name)
    assert (round(network.params / 1e6, 1), round(network.macs / 1e6)) == PUBLISHED[name]


# Parameters and multiply-accumulates of what docs/cost.md does not show; torchvision's are the same.
EXACT = {
    "convnext_base": (88_591_464, 15_354_729_472),
    "convnext_large": (197_767_336, 34_361_433_600),
    "convnext_small": (50_223_688, 8_683_712_256),
    "efficientnet_v2_l": (118_515_272, 56_079_699_008),
    "efficientnet_v2_m": (54_139_356, 24_582_460_384),
    "mnasnet0_5": (2_218_512, 104_455_968),
    "mnasnet0_75": (3_170_208, 215_493_104),
    "mnasnet1_3": (6_282_256, 526_362_432),
    "mobilenet_v2_cifar": (3_504_872, 89_243_648),
    "resnet101": (44_549_160, 7_801_405_440),
    "resnet34": (21_797_672, 3_663_761_408),
}


def test_each_network_is_pinned_here_or_in_the_documentation() -> None:
    assert set(EXACT) | set(REQUIRED) == set(NAMES)


@pytest.mark.parametrize("name", EXACT)
def test_exact_numbers(name: str) -> None:
    network = reference_network(name)
    assert (network.params, network.macs) == EXACT[name]


@pytest.mark.long
@pytest.mark.parametrize("name", IN_TORCHVISION)
def test_macs_equal_torchvision(name: str) -> None:
    network = reference_network(name)
    assert network.macs == counted_macs(network, getattr(torchvision.models, name))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [0.5, 2.0])
def test_a_width_multiplies_the_channels_before_rounding_and_nothing_else(name: str, width: float) -> None:
    # MobileNetV3 publishes expanded channels, not ratios; torchvision's parameters pin them.
    blind = {"expand": 0} if name.startswith("mobilenet_v3") else {}

    def relative(network: NetworkSpec, factor: float) -> list[dict[str, object]]:
        blocks = [block.to_dict() for part in (network.stem, *network.stages) for block in part]
        return [block | {"width": block.get("width", 0) / factor} | blind for block in blocks]

    usual, scaled = reference_network(name), reference_network(name, width=width)
    assert relative(scaled, width) == [pytest.approx(block) for block in relative(usual, 1.0)]
    assert (scaled.resolution, scaled.rounding) == (usual.resolution, usual.rounding)


# LeViT has as many heads at any width.
PUBLISHED_AT_WIDTH_1 = [
    name
    for name in NAMES
    if not re.fullmatch(r"efficientnet_(b[1-7]|lite[1-4])|mnasnet(0_5|0_75|1_3)|levit_.*", name)
]


@pytest.mark.parametrize("name", PUBLISHED_AT_WIDTH_1)
def test_every_channel_count_is_exact_where_nothing_is_rounded(name: str) -> None:
    """Rounding to eight hides a wrong count in a network, but not in one of eight times the width."""

    def channels(network: NetworkSpec) -> list[tuple[int, int]]:
        sections = ("stem", "stages") if name.startswith("mnasnet") else ("stem", "stages", "head")
        blocks = [block for place, block in network.placed_blocks if place.section in sections]
        return [(block.ops[0].out_shape.channels, block.out_shape.channels) for block in blocks]

    usual, wide = reference_network(name), reference_network(name, width=8.0)
    assert channels(wide) == [(8 * first, 8 * last) for first, last in channels(usual)]


@pytest.mark.parametrize(
    ("name", "width", "channels"),
    [
        ("mobilenet_v2", 0.5, (1280,)),
        ("mobilenet_v2", 2.0, (2560,)),
        ("mobilenet_v3_large", 0.5, (480, 640)),
        ("mobilenet_v3_small", 2.0, (1152, 2048)),
        ("mobilenetv4_conv_small", 0.5, (480, 1280)),
        ("mobilenetv4_conv_small", 2.0, (1920, 2560)),
        ("mnasnet1_0", 0.5, (1280,)),
        ("efficientnet_b0", 0.5, (640,)),
        ("efficientnet_b3", 2.0, (3072,)),
        ("efficientnet_lite0", 0.5, (640,)),
        ("efficientnet_lite4", 1.0, (1280,)),
        ("efficientnet_v2_s", 0.5, (640,)),
        ("resnet50", 0.5, ()),
    ],
)
def test_the_head_follows_the_width_as_published(name: str, width: float, channels: tuple[int, ...]) -> None:
    network = reference_network(name, width=width)
    head = [block for place, block in network.placed_blocks if place.section == "head"]
    assert tuple(block.out_shape.channels for block in head if block.KIND != "pool") == channels


def test_resnet20_has_the_published_size_on_cifar() -> None:
    network = reference_network("resnet20", classes=10)
    assert network.resolution == 32
    assert network.params == 272_474  # He et al. 2016, table 6: 0.27 M


FAMILIES = (
    "mobilenet_v1",
    "mobilenet_v3_small",
    "efficientnet_b0",
    "mobilenetv4_conv_small",
    "resnet20",
    "resnet50",
    "convnext_tiny",
    "deit_tiny",
    "efficientvit_b0",
    "mambaout_femto",
    "levit_128s",
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("resolution", [32, 97])
def test_any_resolution_width_classes_and_channels(name: str, resolution: int) -> None:
    network = reference_network(name, resolution=resolution, width=0.5, classes=7, input_channels=1)
    assert network.blocks[0].in_shape == Shape(1, resolution, resolution)
    assert network.blocks[-1].out_shape == Shape(7, 1, 1)
    assert name not in FAMILIES or resolution == 32 or network.macs == counted_macs(network)
    assert NetworkSpec.from_dict(network.to_dict()) == network


@pytest.mark.parametrize("width", [0.25, 0.35, 0.5, 0.75, 1.0])
@pytest.mark.parametrize("resolution", [8, 16, 24, 32])
def test_mobilenet_v2_on_small_images(width: float, resolution: int) -> None:
    network = reference_network("mobilenet_v2", resolution=resolution, width=width, classes=10)
    assert network.blocks[-1].out_shape == Shape(10, 1, 1)
    assert network.blocks[-1].in_shape == Shape(1280, 1, 1)


@pytest.mark.parametrize("resolution", [8, 32])
def test_half_a_mobilenet_v2_runs_on_small_images(resolution: int) -> None:
    network = reference_network("mobilenet_v2", resolution=resolution, width=0.5, classes=10)
    images = torch.randn(2, 3, resolution, resolution)
    assert StaticNetwork(network).eval()(images).shape == (2, 10)


def test_a_scaled_b0_is_b3() -> None:
    wide = reference_network("efficientnet_b0", width=1.2, resolution=300)
    assert [stage[0].to_dict() for stage in wide.stages] == [
        stage[0].to_dict() for stage in reference_network("efficientnet_b3").stages
    ]


def test_the_numbers_of_a_standard_and_a_separable_convolution() -> None:
    conv = Conv2d(in_shape=Shape(256, 56, 56), role="conv", out_channels=256, kernel=3, norm=False)
    assert (conv.params, conv.macs) == (589_824, 1_849_688_064)
    spec = {
        "in_channels": 256,
        "in_height": 56,
        "in_width": 56,
        "out_channels": 256,
        "kernel": 3,
        "stride": 1,
    }
    separable = DepthwiseSeparableSpec(**spec, activation="relu")
    weights = sum(op.kernel_elements for op in separable.ops if isinstance(op, Conv2d))
    assert weights == 67_840
    assert round(ConvSpec(**spec, activation="relu").macs / separable.macs, 1) == 8.7
    assert round(589_824 / weights, 1) == 8.7


def test_a_depthwise_convolution_has_a_low_intensity() -> None:
    conv = Conv2d(
        in_shape=Shape(256, 56, 56), role="conv", out_channels=256, kernel=3, groups=256, norm=False
    )
    assert conv.intensity("fp32") == pytest.approx(2.25, abs=0.01)
    assert conv.macs / conv.bytes_moved("fp32") == pytest.approx(1.1, abs=0.03)


def test_the_intensity_of_a_square_matrix_product_grows_with_its_size() -> None:
    def intensity(n: int) -> float:
        return Conv2d(in_shape=Shape(n, n, 1), role="m", out_channels=n, kernel=1, norm=False).intensity(
            "fp32"
        )

    assert intensity(96) == pytest.approx(96 / 6)  # 2·n³ FLOP for 3·n² numbers of 4 bytes
    assert intensity(1024) > 10 * intensity(96)
    vector = Linear(in_shape=Shape(1024, 1, 1), role="m", out_features=1024)
    assert vector.intensity("fp32") < 0.5


def test_an_unknown_name_gives_the_nearest() -> None:
    with pytest.raises(
        UserError, match=r"unknown reference network 'mobilenetv2'; did you mean mobilenet_v2"
    ):
        reference_network("mobilenetv2")


@pytest.mark.parametrize("width", [0, -1.0, "1", True, float("nan")])
def test_a_width_that_is_none(width: object) -> None:
    with pytest.raises(UserError, match="a width multiplier is a number above 0"):
        reference_network("resnet18", width=width)  # type: ignore[arg-type]


def test_a_resolution_too_low_for_the_network() -> None:
    with pytest.raises(UserError, match=r"stage 3 block 0: .* shrinks to nothing; use a higher resolution"):
        reference_network("convnext_tiny", resolution=16)


def test_a_resolution_that_is_none() -> None:
    with pytest.raises(UserError, match="resolution is 0; it must be a whole number from 1 to 2147483647"):
        reference_network("resnet18", resolution=0)


def test_the_documentation_shows_these_numbers() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "cost.md").read_text(encoding="utf-8")
    shown = re.findall(r"\| `(\w+)` \| (\d+) \| ([\d,]+) \| ([\d,]+) \|", text)
    assert {name for name, *_ in shown} == set(REQUIRED)
    for name, *numbers in shown:
        network = reference_network(name, classes=10 if name == "resnet20" else 1000)
        found = [int(number.replace(",", "")) for number in numbers]
        assert found == [network.resolution, network.params, network.macs]
