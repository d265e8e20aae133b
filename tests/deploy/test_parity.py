"""How few images of the same class make an INT8 file wrong."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

from nas.deploy import export_onnx
from nas.deploy.parity import ParityError, check_parity
from nas.nn import StaticNetwork
from nas.space import SearchSpace
from nas.training.data import Normalization


@pytest.mark.parametrize(
    ("same", "images", "rejected"), [(3, 8, True), (5, 8, False), (79, 128, True), (80, 128, False)]
)
def test_a_file_is_rejected_if_chance_does_not_explain_the_other_classes(
    tmp_path: Path, same: int, images: int, rejected: bool
) -> None:
    """The file's bias is shifted by as much as turns the answer of the other images."""
    torch.manual_seed(0)
    space = SearchSpace.load("tiny_24")
    model = StaticNetwork(space.network(space.smallest(), classes=2, input_channels=3)).eval()
    other = copy.deepcopy(model)
    side = model.network.resolution
    x, turned = torch.randn(images, 3, side, side), images - same
    with torch.no_grad():
        first, second = model(x).T
        leads = (first - second).sort().values
        bias = "blocks.classifier.block.linear.bias"
        model.get_parameter(bias)[0] -= leads[0] - 1  # the first class for every image
        other.get_parameter(bias)[0] -= leads[turned - 1 : turned + 1].mean()
    normalize = Normalization(mean=(0.0,) * 3, std=(1.0,) * 3)
    path = export_onnx(other, tmp_path / "net.onnx", classes=["a", "b"], normalize=normalize)
    if rejected:
        with pytest.raises(ParityError, match=rf"{same / images:.1%} of {images} images"):
            check_parity(model, path, x, format="onnx_int8")
    else:
        assert check_parity(model, path, x, format="onnx_int8").top1_agreement == same / images
