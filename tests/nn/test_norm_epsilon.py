"""The BatchNorm epsilon of a space reaches every form of its networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from randomising import randomise
from safetensors.torch import save_file

from nas.deploy.formats.pytorch import load_module
from nas.deploy.lowered import write_network
from nas.deploy.onnx import Metadata
from nas.deploy.python_code import write_python
from nas.errors import UserError
from nas.network import NetworkSpec
from nas.nn import StaticNetwork, Supernet
from nas.space import SearchSpace

EPSILON = 0.25  # large, so that every layer shows it
SPACE = replace(SearchSpace.load("tiny_24"), norm_epsilon=EPSILON)
NETWORK = SPACE.network(SPACE.smallest(), classes=4)


@pytest.fixture(scope="module")
def supernet() -> Supernet:
    torch.manual_seed(0)
    supernet = Supernet(SPACE, classes=4).eval()
    randomise(supernet)
    return supernet


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 3, NETWORK.resolution, NETWORK.resolution, generator=generator)


def close(values: torch.Tensor | np.ndarray, exact: torch.Tensor) -> bool:
    worst = (torch.as_tensor(values) - exact).abs().max()
    return bool(worst < 1e-5 * exact.abs().max())


def test_the_epsilon_is_added_to_the_variance(supernet: Supernet, images: torch.Tensor) -> None:
    """A supernet of the usual epsilon gives the same outputs once its variances hold the difference."""
    usual = Supernet(replace(SPACE, norm_epsilon=1e-5), classes=4).eval()
    usual.load_state_dict(supernet.state_dict())
    exact = supernet(images, NETWORK)
    assert not close(usual(images, NETWORK), exact)
    for module in usual.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_var += EPSILON - 1e-5
    assert close(usual(images, NETWORK), exact)


def test_every_form_of_a_subnet_has_it(supernet: Supernet, images: torch.Tensor, tmp_path: Path) -> None:
    exact = supernet(images, NETWORK)
    static = supernet.extract(replace(NETWORK, norm_epsilon=1e-5))  # of another space: the supernet's holds
    assert static.network == NETWORK
    assert close(static(images), exact)

    read = StaticNetwork(NetworkSpec.from_dict(static.network.to_dict())).eval()
    read.load_state_dict(static.state_dict())
    assert close(read(images), exact)

    session = onnxruntime.InferenceSession(write_network(static, batch=2).SerializeToString())
    assert close(session.run(None, {"images": images.numpy()})[0], exact)

    about = Metadata(classes=("a", "b", "c", "d"), mean=(0.0,) * 3, std=(1.0,) * 3, network=static.network)
    code, state = write_python(static, name="example", about=about)
    (tmp_path / "network.py").write_text(code)
    save_file(state, tmp_path / "weights.safetensors")
    assert close(load_module(tmp_path)(images), exact)


def test_only_an_unusual_epsilon_stands_in_files() -> None:
    """Records of earlier versions are equal to today's."""
    assert NETWORK.to_dict()["norm_epsilon"] == EPSILON
    assert "norm_epsilon" not in replace(NETWORK, norm_epsilon=1e-5).to_dict()


def test_a_space_reads_it_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    text = "resolution: 16\nstages: [{kind: conv, width: 8}]\nhead: [{kind: pool}]\n"
    path.write_text(text)
    assert SearchSpace.load(path).norm_epsilon == 1e-5
    path.write_text(f"norm_epsilon: 1.0e-3\n{text}")
    assert SearchSpace.load(path).norm_epsilon == 1e-3
    for value in ("0", "1e-3", "-1.0e-3", "1.0"):  # YAML takes 1e-3 for text
        path.write_text(f"norm_epsilon: {value}\n{text}")
        with pytest.raises(
            UserError, match=r"mine\.yaml: norm_epsilon is .*; it is a number between 0 and 1"
        ):
            SearchSpace.load(path)
