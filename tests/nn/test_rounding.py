"""Quantisation-aware training: what it rounds, and what it is worth."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from nas.deploy.interface import INPUT
from nas.deploy.lowered import write_network
from nas.errors import UserError
from nas.network import NetworkSpec, reference_network
from nas.nn import StaticNetwork
from nas.nn.rounding import Rounded
from nas.quantization import SCHEMES, quantize
from nas.quantization.sessions import open_session
from nas.training.final import Method, fit_network
from tests.training.recipes.digits import digits, small_space
from tests.training.test_final import hyper

X86 = SCHEMES["x86"]


def noise_db(reference: Tensor, other: Tensor) -> float:
    return float(10 * torch.log10(reference.square().mean() / (reference - other).square().mean()))


def int8_file(model: StaticNetwork, images: Tensor, *, target: str) -> Tensor:
    calibration = [{INPUT: images.numpy()}]
    onnx = quantize(
        write_network(model, batch=len(images)), target=target, batches=calibration, calibration="minmax"
    )
    return torch.from_numpy(open_session(onnx, threads=1).run(None, {INPUT: images.numpy()})[0])


@pytest.mark.parametrize("target", ["x86", "tensorrt"])
@pytest.mark.parametrize("name", ["mobilenet_v3_small", "resnet20"])
@torch.no_grad()
def test_the_rounding_adds_as_much_noise_as_that_of_the_file(name: str, target: str) -> None:
    torch.manual_seed(0)
    model = StaticNetwork(reference_network(name, resolution=32, classes=10))
    for _ in range(8):
        model(torch.randn(32, 3, 32, 32))  # BatchNorm statistics
    model.eval()
    images = torch.randn(32, 3, 32, 32)
    plain = model(images)
    with Rounded(SCHEMES[target]):
        rounded = model(images)
    file = int8_file(model, images, target=target)
    assert noise_db(plain, rounded) == pytest.approx(noise_db(plain, file), abs=3.5)


@pytest.mark.parametrize("target", ["x86", "tensorrt"])
@pytest.mark.parametrize(
    ("name", "resolution", "width"),
    [("deit_tiny", 32, 0.5), ("swin_t", 56, 0.25), ("efficientvit_b0", 32, 1.0), ("mambaout_femto", 32, 0.5)],
)
@torch.no_grad()
def test_what_follows_a_product_of_pixels_stays_float_as_in_the_file(
    name: str, resolution: int, width: float, target: str
) -> None:
    torch.manual_seed(0)
    model = StaticNetwork(reference_network(name, resolution=resolution, width=width, classes=10))
    for parameter in model.parameters():
        if parameter.ndim == 2:
            parameter.mul_(3)  # fresh weights are so small that images hardly differ
    for _ in range(8):
        model(torch.randn(32, 3, resolution, resolution))  # BatchNorm statistics
    model.eval()
    images = torch.randn(32, 3, resolution, resolution)
    plain = model(images)
    with Rounded(SCHEMES[target]):
        rounded = model(images)
    file = int8_file(model, images, target=target)
    assert noise_db(plain, rounded) == pytest.approx(noise_db(plain, file), abs=3)


def test_only_sums_of_convolutions_are_rounded() -> None:
    x, weight, kernel = torch.randn(2, 5, 3, 8), torch.randn(8, 8), torch.randn(5, 5, 1, 1)
    table = torch.nn.Parameter(torch.randn(5, 3, 8))
    with Rounded(X86):
        product = torch.nn.functional.linear(x, weight)
        after_product, with_table = product.relu() + x, x + table
        convolved = torch.conv2d(product, kernel)
        after_convolution = convolved + x
    assert torch.equal(after_product, product.relu() + x)
    assert torch.equal(with_table, x + table)
    assert not torch.equal(after_convolution, convolved + x)


@torch.no_grad()
def test_rounded_values_lie_on_their_grid() -> None:
    rounding = Rounded(X86)
    weight = torch.randn(6, 4, 3, 3) * torch.logspace(-3, 3, 6)[:, None, None, None]
    steps = rounding.weight(weight) / (weight.flatten(1).abs().amax(1) / 127)[:, None, None, None]
    torch.testing.assert_close(steps, steps.round(), atol=1e-3, rtol=0)
    torch.testing.assert_close(rounding.weight(weight).abs().amax((1, 2, 3)), weight.abs().amax((1, 2, 3)))
    x = torch.rand(2, 3, 4, 4) * 5 - 1
    step = (x.max() - x.min()) / 255
    assert (rounding.activation(x) - x).abs().max() <= step * 0.51
    assert len(rounding.activation(torch.linspace(0, 1, 10_000)).unique()) == 256
    assert rounding.activation(torch.zeros(2, 3)).abs().max() == 0


def test_gradients_ignore_the_rounding() -> None:
    x = torch.linspace(-1, 2, 50, requires_grad=True)
    Rounded(X86).activation(x).sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    torch.testing.assert_close(x.grad, torch.ones(50))


@pytest.fixture(scope="module")
def network() -> NetworkSpec:
    space = small_space()
    return space.network(space.largest(), classes=10, input_channels=1)


def test_training_with_rounding_makes_a_better_int8_file(network: NetworkSpec) -> None:
    data = digits()
    x, y = next(iter(data.plain(data.splits.validation, resolution=network.resolution)))

    def loss(method: Method) -> float:
        model, _ = fit_network(network, data=data, hyper=hyper(epochs=6), seed=0, method=method)
        file = int8_file(model, x, target="coarse")
        return float(torch.nn.functional.cross_entropy(file, y))

    coarse = replace(X86, weight_limit=1)  # three values a weight: a loss that a small network shows
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SCHEMES, "coarse", coarse)
        assert loss(Method(int8_epochs=4, int8=coarse)) < 0.8 * loss(Method())


def test_the_first_epochs_do_not_round(network: NetworkSpec) -> None:
    arguments = {"data": digits(), "hyper": hyper(epochs=2), "seed": 0}
    _, plain = fit_network(network, **arguments)  # type: ignore[arg-type]
    _, aware = fit_network(network, **arguments, method=Method(int8_epochs=1, int8=X86))  # type: ignore[arg-type]
    assert plain[0]["loss"] == aware[0]["loss"]
    assert plain[1]["loss"] != aware[1]["loss"]


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ({"int8_epochs": -1}, "int8_epochs is -1"),
        ({"int8_epochs": 1}, "int8 is None; name what is rounded"),
        ({"int8_epochs": 1, "int8": X86, "patience": 2}, "early_stop may end"),
    ],
)
def test_settings_out_of_range_are_refused(method: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Method(**method)  # type: ignore[arg-type]
