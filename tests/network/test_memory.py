"""Bytes of weights and of feature maps."""

from __future__ import annotations

import pytest

from nas.network import NetworkSpec, reference_network
from nas.network.memory import peak_activation_bytes, weight_bytes


def network(*blocks: dict[str, object]) -> NetworkSpec:
    return NetworkSpec.from_dict(
        {
            "resolution": 8,
            "input_channels": 3,
            "classes": 10,
            "rounding": {"divisor": 8, "expand_divisor": 8, "squeeze_divisor": 8, "minimum_ratio": 0.9},
            "stem": list(blocks),
            "stages": [],
            "head": [{"kind": "pool"}],
        }
    )


def conv(**settings: object) -> dict[str, object]:
    return {"kind": "conv", "width": 16, "kernel": 3, "stride": 1, "activation": "relu", **settings}


def test_a_convolution_has_its_input_and_its_output_in_memory() -> None:
    # 3 × 8 × 8 in, 16 × 8 × 8 out; the activation takes the output's place.
    assert peak_activation_bytes(network(conv())) == 4 * (3 + 16) * 64
    assert peak_activation_bytes(network(conv()), "int8") == (3 + 16) * 64


def test_a_shortcut_keeps_the_input_of_its_block() -> None:
    bottleneck = {
        "kind": "inverted_residual",
        "width": 16,
        "kernel": 3,
        "expand": 4,
        "stride": 1,
        "activation": "relu",
    }
    # While the depthwise convolution runs: the block's input for the shortcut, 64 channels in and 64 out.
    assert peak_activation_bytes(network(conv(), bottleneck)) == 4 * (16 + 64 + 64) * 64
    # Without a shortcut the input is gone by then.
    wider = {**bottleneck, "width": 24}
    assert peak_activation_bytes(network(conv(), wider)) == 4 * (64 + 64) * 64


def test_attention_holds_its_scores_unless_one_kernel_runs_it() -> None:
    # 197 tokens of 768 channels: the shortcut, q, k, v and the output, and 12 heads of scores.
    assert peak_activation_bytes(reference_network("vit_b_16"), "int8") == 5 * 768 * 197 + 12 * 197**2
    # Fused, the peak is in the feed-forward network: the shortcut, what it reads, and 3072 channels.
    assert peak_activation_bytes(reference_network("vit_b_16"), "int8", fused=True) == 6 * 768 * 197


@pytest.mark.parametrize("name", ["mobilenet_v2", "resnet18", "efficientnet_b0"])
def test_weights_are_parameters_with_batchnorm_folded(name: str) -> None:
    spec = reference_network(name)
    elements = weight_bytes(spec, "int8")
    assert weight_bytes(spec) == 4 * elements
    assert 0.97 * spec.params < elements < spec.params


def test_the_peak_of_mobilenet_v2_is_where_the_first_expansion_shrinks_the_image() -> None:
    # 96 channels of 112 × 112 come in, and of 56 × 56 go out: the widest moment of the network.
    assert peak_activation_bytes(reference_network("mobilenet_v2"), "int8") == 96 * (112**2 + 56**2)
