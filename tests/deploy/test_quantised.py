"""The INT8 version of an exported network: its calibration, its layers in float, and its metadata."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor

from nas.deploy.lowered import write_network
from nas.deploy.quantised import Int8, layers_in_float, quantise_network
from nas.errors import UserError
from nas.nn import StaticNetwork
from nas.quantization import SCHEMES, calibrate, choose_calibration, target_here
from nas.quantization.sessions import outputs
from nas.space import SearchSpace
from nas.training.evaluation import calibrate as calibrate_norms

SPACE = SearchSpace.load("tiny_24")
PIXELS = 24


@pytest.fixture(scope="module")
def model() -> StaticNetwork:
    """A random network with statistics of its own that gives every class to some images."""
    torch.manual_seed(0)
    result = StaticNetwork(SPACE.network(SPACE.smallest(), classes=5, input_channels=3))
    with torch.no_grad():
        for parameter in result.parameters():
            if parameter.ndim == 1:
                parameter.uniform_(0.5, 1.5)
    calibrate_norms(result, [images(64)])
    result.eval()
    with torch.no_grad():
        result.get_parameter("blocks.classifier.block.linear.bias").sub_(result(images(64)).mean(0))
    return result


@pytest.fixture(scope="module")
def proto(model: StaticNetwork) -> onnx.ModelProto:
    return write_network(model, batch="batch")


def images(count: int, seed: int = 0) -> Tensor:
    side = SPACE.network(SPACE.smallest(), classes=5).resolution
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(seed))


def facts(quantised: onnx.ModelProto) -> dict[str, Any]:
    [value] = [item.value for item in quantised.metadata_props if item.key == "int8"]
    result: dict[str, Any] = json.loads(value)
    return result


def float_layers(quantised: onnx.ModelProto) -> int:
    return sum(
        not node.input[1].endswith("_dequantised")
        for node in quantised.graph.node
        if node.op_type in ("Conv", "Gemm")
    )


def quantised(proto: onnx.ModelProto, x: Tensor, **how: Any) -> onnx.ModelProto:
    return quantise_network(proto, x.numpy(), how=Int8(target=target_here(), **how), batch=None)


@pytest.mark.parametrize("calibration", ["minmax", "percentile"])
def test_the_file_says_how_it_was_calibrated(proto: onnx.ModelProto, calibration: str) -> None:
    result = quantised(proto, images(40), calibration=calibration)
    assert facts(result) == {"target": target_here(), "calibration": calibration}
    assert layers_in_float(result) == ""
    assert float_layers(result) == 0


def test_percentiles_cut_off_outliers_of_the_images_and_extremes_do_not(proto: onnx.ModelProto) -> None:
    x = images(400).numpy()
    x[0, 0, 0, 0] = 500
    low, high = calibrate(proto, [{"images": x}], method="percentile")["images"]
    assert -5 < low < -3
    assert 3 < high < 5
    assert calibrate(proto, [{"images": x}])["images"][1] == 500


def with_an_outlier(x: np.ndarray) -> np.ndarray:
    x[0, :, :4, :4] = 40
    return x


def with_rare_signals(x: np.ndarray) -> np.ndarray:
    x *= 0
    x[0, 0, 0, 0] = 100  # a smaller share of the values than percentiles cut off
    return x


@pytest.mark.parametrize(
    ("spoil", "unseen_alike", "method"),
    [(with_an_outlier, False, "percentile"), (with_rare_signals, True, "minmax")],
)
def test_the_calibration_is_chosen_on_images_that_gave_no_range(
    proto: onnx.ModelProto, spoil: Any, unseen_alike: bool, method: str
) -> None:
    parts = [images(400, seed).numpy() for seed in range(4)]
    batches = [{"images": spoil(part) if unseen_alike or i < 3 else part} for i, part in enumerate(parts)]
    assert choose_calibration(proto, batches, scheme=SCHEMES[target_here()]) == method
    result = quantise_network(
        proto,
        np.concatenate([batch["images"] for batch in batches]),
        how=Int8(target=target_here(), calibration="auto"),
        batch=400,
    )
    assert facts(result)["calibration"] == method


def test_one_batch_is_not_divided(proto: onnx.ModelProto) -> None:
    batches = [{"images": images(8).numpy()}]
    assert choose_calibration(proto, batches, scheme=SCHEMES["x86"]) == "minmax"


@pytest.mark.parametrize("largest_loss", [0.02, 0.0])
def test_layers_stay_in_float_until_the_loss_is_kept(
    model: StaticNetwork, proto: onnx.ModelProto, largest_loss: float
) -> None:
    x = images(300, seed=7)
    with torch.no_grad():
        y = model(x).argmax(1)

    def judging() -> Iterator[tuple[Tensor, Tensor]]:
        return iter([(x[:200], y[:200]), (x[200:], y[200:])])

    def loss(candidate: onnx.ModelProto) -> float:
        return float(1 - (outputs(candidate, [{"images": x.numpy()}]).argmax(1) == y.numpy()).mean())

    assert loss(quantised(proto, images(64))) > 0.02
    result = quantised(proto, images(64), largest_loss=largest_loss, judging=judging)
    about = facts(result)
    assert loss(result) == pytest.approx(about["loss"], abs=1e-4)
    assert about["loss"] <= largest_loss
    count = len(about["in_float"])
    assert 0 < count == float_layers(result)
    assert layers_in_float(result).startswith(f"{count} of {about['layers']} layers in float, ")


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(0, 3, PIXELS, PIXELS), "no images to calibrate INT8 on; give training images"),
        (torch.full((8, 3, PIXELS, PIXELS), 0.3), "only images of a single value to calibrate INT8 on"),
    ],
)
def test_images_without_a_range_are_refused(proto: onnx.ModelProto, x: Tensor, message: str) -> None:
    with pytest.raises(UserError, match=message):
        quantised(proto, x)


def test_a_loss_without_images_to_count_it_on_is_refused(proto: onnx.ModelProto) -> None:
    with pytest.raises(UserError, match="no images to count the loss of INT8 on"):
        quantised(proto, images(8), largest_loss=0.1)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"target": "x68"}, "unknown INT8 target 'x68'; did you mean x86"),
        (
            {"target": "x86", "calibration": "entropy"},
            "unknown calibration 'entropy'; .*allowed: auto, minmax",
        ),
    ],
)
def test_unknown_names_are_refused(fields: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Int8(**fields)
