"""Networks for large images are adapted to small ones."""

from __future__ import annotations

import pytest

from nas.network import reference_network
from nas.network.strides import LEAST_SIDE, last_side, total_stride, with_fewer_strides


@pytest.mark.parametrize(
    ("resolution", "stride"), [(224, 32), (97, 32), (96, 32), (64, 16), (32, 8), (24, 8), (16, 4), (2, 1)]
)
def test_three_pixels_a_side_remain_if_they_can(resolution: int, stride: int) -> None:
    network = with_fewer_strides(reference_network("mobilenet_v2", resolution=resolution))
    assert total_stride(network) == stride
    assert last_side(network) == min(-(-resolution // stride), resolution)
    assert last_side(network) >= min(LEAST_SIDE, resolution)


def test_the_variant_for_small_images_is_the_usual_one() -> None:
    adapted = with_fewer_strides(reference_network("mobilenet_v2", resolution=32, width=0.5))
    assert adapted == reference_network("mobilenet_v2_cifar", resolution=32, width=0.5)


def test_a_total_stride_can_be_given() -> None:
    network = reference_network("resnet18", resolution=224)
    assert with_fewer_strides(network, largest=32) is network
    fewer = with_fewer_strides(network, largest=16)
    assert (total_stride(network), total_stride(fewer), last_side(fewer)) == (32, 16, 14)
    assert fewer.params == network.params and fewer.macs > network.macs
    assert [block.to_dict()["stride"] for block in fewer.stem] == [1, 2]


def test_a_large_first_stride_is_halved_step_by_step() -> None:
    network = with_fewer_strides(reference_network("convnext_tiny", resolution=64))
    assert network.stem[0].to_dict()["stride"] == 2
    assert total_stride(network) == 16
