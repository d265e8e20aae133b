"""The accuracy in INT8 that a search asks for: the graph and the rounding are those of what ships."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor

from nas.deploy import export_onnx
from nas.deploy.int8 import int8_accuracy
from nas.deploy.lowered import write_network
from nas.errors import UserError
from nas.nn import StaticNetwork
from nas.quantization import quantize
from nas.space import SearchSpace
from nas.training.data import Normalization
from nas.training.evaluation import calibrate

SPACES = ("tiny_24", "mixed_32", "cell", "mobilenet_v4", "convnext")


def network(space: str, *, seed: int = 0, pixels: int | None = None) -> StaticNetwork:
    """A random network of a space with statistics of its own, as a trained one has."""
    torch.manual_seed(seed)
    chosen = SearchSpace.load(space)
    spec = chosen.network(chosen.sample(np.random.default_rng(seed)), classes=5)
    model = StaticNetwork(spec)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.uniform_(0.5, 1.5)
    calibrate(model, [images(model, 8)])
    return model.eval()


def images(model: StaticNetwork, count: int) -> Tensor:
    size = model.network.resolution
    return torch.randn(count, model.network.input_channels, size, size)


def run(model: onnx.ModelProto, x: Tensor) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (output,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    assert isinstance(output, np.ndarray)
    return output


@pytest.mark.parametrize("space", SPACES)
def test_the_written_graph_computes_the_network(space: str) -> None:
    model = network(space)
    x = images(model, 2)
    with torch.no_grad():
        expected = model(x).numpy()
    assert np.ptp(expected, axis=0).max() > 1e-3 * np.abs(expected).max(), "outputs differ between images"
    assert np.abs(run(write_network(model, batch=2), x) - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("seed", range(3))
def test_it_rounds_as_the_exported_file_does(seed: int, tmp_path: Path) -> None:
    model = network("tiny_24", seed=seed)
    x = images(model, 16)
    normalize = Normalization(mean=(0.0,) * 3, std=(1.0,) * 3)
    exported = onnx.load(
        export_onnx(model, tmp_path / "net.onnx", classes=list("abcde"), normalize=normalize)
    )
    batches = [x.numpy()]
    own = quantize(write_network(model, batch=16), target="x86", batches=({"images": x} for x in batches))
    other = quantize(exported, target="x86", batches=({"images": x} for x in batches))
    first, second = run(own, x), run(other, x)
    with torch.no_grad():
        exact = model(x).numpy()
    assert np.abs(first - exact).max() > 1e-4 * np.abs(exact).max(), "rounding shows"
    assert np.abs(first - second).max() < 0.02 * np.abs(second).max()


def test_images_are_counted_once_each() -> None:
    model = network("tiny_24")
    x = images(model, 150)  # two whole batches of 64 and a part
    with torch.no_grad():
        y = model(x).argmax(1)
    found = int8_accuracy(
        model, calibration=[(x[:100], y[:100])], images=[(x[:90], y[:90]), (x[90:], y[90:])]
    )
    assert found.total == 150
    assert found.value > 0.9, "INT8 changes few answers"
    wrong = (y + 1) % 5
    assert int8_accuracy(model, calibration=[(x, y)], images=[(x, wrong)]).value < 0.1


def test_without_calibration_images_it_says_so() -> None:
    model = network("tiny_24")
    with pytest.raises(UserError, match="no images to calibrate"):
        int8_accuracy(model, calibration=[], images=[])
