"""Files with torchvision's names: recognised by their tensors, checked, and computed as torchvision does."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

from nas.errors import UserError
from nas.network import reference_network
from nas.nn import StaticNetwork, Supernet
from nas.pretrained import Start, Store, find_start, locate, pretrained_names
from nas.pretrained.network_start import NetworkStart
from nas.pretrained.sources.torchvision import Torchvision, download
from nas.space import SearchSpace
from tests.nn.randomising import randomise, tame
from tests.pretrained.conftest import distance

CLASSES = tuple("abcde")


def source(name: str, *, classes: int = len(CLASSES), side: int = 64) -> tuple[nn.Module, torch.Tensor]:
    """A network of torchvision's with random weights that show in its outputs, and images."""
    torch.manual_seed(0)
    module = getattr(torchvision.models, name)(num_classes=classes)
    randomise(module)
    images = torch.randn(4, 3, side, side)
    tame(module, images)
    return module, images


def read(path: Path) -> NetworkStart:
    start: Start = find_start(str(path))
    assert isinstance(start, NetworkStart)
    return start


def check(name: str, folder: Path, *, suffix: str = ".pth") -> None:
    fixed = name.startswith(("vit_", "swin_"))  # their tables and windows belong to one resolution
    module, images = source(name, side=224 if fixed else 64)
    path = folder / f"mine{suffix}"
    if suffix == ".pth":
        torch.save(module.state_dict(), path)
    else:
        save_file(module.state_dict(), path)
    start = read(path)
    with torch.no_grad():
        expected, outputs = module(images), start.pretrained.model(images)
    assert start.origin.name == name
    assert distance(expected[:1], expected[1:2]) > 0.01, "the outputs must differ between images"
    assert distance(outputs, expected) < 1e-5


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("mobilenet_v3_small", ".pth"),
        ("mnasnet0_5", ".safetensors"),
        ("resnet18", ".pth"),
        ("mobilenet_v2", ".safetensors"),
        ("swin_t", ".pth"),
        ("vit_b_32", ".safetensors"),
    ],
)
def test_outputs_equal_torchvision(name: str, suffix: str, tmp_path: Path) -> None:
    check(name, tmp_path, suffix=suffix)


SMALL = ("mobilenet_v3_small", "mnasnet0_5", "resnet18", "mobilenet_v2", "swin_t", "vit_b_32")


@pytest.mark.long  # 23 networks of up to 200 million weights
@pytest.mark.parametrize("name", sorted(set(Torchvision().names()) - set(SMALL)))
def test_outputs_equal_torchvision_slow(name: str, tmp_path: Path) -> None:
    check(name, tmp_path)


def test_a_supernet_starts_from_a_file(tmp_path: Path) -> None:
    module, images = source("mobilenet_v2")
    torch.save(module.state_dict(), tmp_path / "mine.pth")
    space = SearchSpace.load("mobilenet_v2")
    supernet = Supernet(space, classes=5).eval()
    inherited = read(tmp_path / "mine.pth").apply(supernet, classes=CLASSES)
    assert inherited.classifier
    images = images[:2].double()  # sorted channels are summed in another order
    with torch.no_grad():
        expected = module.double()(images)
        outputs = supernet.double()(images, space.network(space.largest(), classes=5))
    assert distance(outputs, expected) < 1e-9


def test_a_supernet_of_windows_starts_from_a_file(tmp_path: Path) -> None:
    module, images = source("swin_t", side=224)
    torch.save(module.state_dict(), tmp_path / "mine.pth")
    start, space = read(tmp_path / "mine.pth"), SearchSpace.load("swin")
    with pytest.raises(
        UserError, match=r"does not hold swin_t: .*window is 7; the space's largest network has"
    ):
        start.check(space)
    stages = []
    for stage in space.stages:
        per_block = {name: choices for name, choices in stage.per_block.items() if name != "window"}
        stages.append(replace(stage, shared={**stage.shared, "window": (7,)}, per_block=per_block))
    space = replace(space, stages=tuple(stages))
    supernet = Supernet(space, classes=5).eval()
    assert start.apply(supernet, classes=CLASSES).classifier
    network = space.network(space.largest(), classes=5)
    with torch.no_grad():
        assert distance(supernet(images[:2], network), module(images[:2])) < 1e-5


def test_batch_norm_has_the_epsilon_of_the_source(tmp_path: Path) -> None:
    """In training the statistics are those of the batch, so that running variances could not stand for it."""
    module, images = source("mobilenet_v3_small")
    torch.save(module.state_dict(), tmp_path / "mine.pth")
    network = read(tmp_path / "mine.pth").pretrained.network
    assert network.norm_epsilon == 1e-3
    model = read(tmp_path / "mine.pth").pretrained.model
    for network in (module, model):
        for layer in network.modules():
            layer.train(isinstance(layer, nn.BatchNorm2d))
    with torch.no_grad():
        assert distance(model(images), module(images)) < 1e-5


@pytest.fixture(scope="module")
def tensors() -> dict[str, torch.Tensor]:
    return dict(torchvision.models.mobilenet_v3_small(num_classes=5).state_dict())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features.3.block.1.1.weight": None}, r"it lacks 1 of \d+ tensors, first features\.3\.block"),
        ({"extra.bias": torch.zeros(3)}, r"1 of its \d+ tensors are not part of it, first extra\.bias"),
        ({"classifier.3.bias": None}, r"it lacks 1 of \d+ tensors, first classifier\.3\.bias"),
        (
            {"features.0.0.weight": torch.zeros(8, 3, 3, 3)},
            r"features\.0\.0\.weight is 8×3×3×3 in the file and 16×3×3×3 in the network",
        ),
    ],
)
def test_tensors_that_are_not_those_of_the_network(
    tensors: dict[str, torch.Tensor], tmp_path: Path, changes: dict[str, torch.Tensor | None], message: str
) -> None:
    changed = {name: tensor for name, tensor in {**tensors, **changes}.items() if tensor is not None}
    torch.save(changed, tmp_path / "mine.pth")
    with pytest.raises(UserError, match=f"mine.pth does not hold mobilenet_v3_small: {message}"):
        find_start(str(tmp_path / "mine.pth"))


def test_another_width(tmp_path: Path) -> None:
    torch.save(
        torchvision.models.mobilenet_v2(num_classes=5, width_mult=1.1).state_dict(), tmp_path / "mine.pth"
    )
    with pytest.raises(UserError, match=r"does not hold mobilenet_v2: features.* name a file of the same"):
        find_start(str(tmp_path / "mine.pth"))


def test_a_file_of_the_users(tensors: dict[str, torch.Tensor], tmp_path: Path) -> None:
    torch.save({"state_dict": tensors}, tmp_path / "mine.pth")
    start = read(tmp_path / "mine.pth")
    assert start.origin.licence == "", "its licence is unknown"
    assert start.origin.source == "a file of the user's"
    assert start.origin.sha256 == hashlib.sha256((tmp_path / "mine.pth").read_bytes()).hexdigest()
    assert start.preprocessing.mean == (0.485, 0.456, 0.406)
    assert (start.preprocessing.resolution, start.preprocessing.crop) == (224, 0.875)
    assert start.preprocessing.interpolation == "bilinear"


def test_a_file_that_was_not_downloaded(tmp_path: Path) -> None:
    assert pretrained_names()["mobilenet_v2"] == "torchvision"
    url = r"https://download\.pytorch\.org/models/mobilenet_v2-7ebf99e0\.pth"
    with pytest.raises(UserError, match=f"not here; set pretrained.download=true to get {url}, or put that"):
        locate("mobilenet_v2", store=Store(folder=tmp_path))


def test_a_file_that_is_not_torchvisions(tmp_path: Path) -> None:
    (tmp_path / "mobilenet_v2-7ebf99e0.pth").write_bytes(b"cut off")
    for download_too in (False, True):
        with pytest.raises(UserError, match=r"mobilenet_v2-7ebf99e0\.pth is damaged or was changed; delete"):
            locate("mobilenet_v2", store=Store(folder=tmp_path, download=download_too))


def test_downloading(tmp_path: Path) -> None:
    """From a file on this disk: torchvision's own server is not reached by the tests."""
    (tmp_path / "there").write_bytes(b"weights")
    url, target = (tmp_path / "there").as_uri(), tmp_path / "new" / "here"
    download(url, target, digits=hashlib.sha256(b"weights").hexdigest()[:8])
    assert target.read_bytes() == b"weights"
    for address, digits in ((url, "00000000"), ((tmp_path / "nothing").as_uri(), "00000000")):
        with pytest.raises(UserError, match=r"could not be downloaded .* put it at .*other"):
            download(address, tmp_path / "other", digits=digits)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["here", "there"]


def test_the_licence_of_torchvisions_own_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its hash tells the file; here a file of ours takes the place of torchvision's."""
    module = torchvision.models.mobilenet_v3_small()
    torch.save(module.state_dict(), tmp_path / "mine.pth")
    digest = hashlib.sha256((tmp_path / "mine.pth").read_bytes()).hexdigest()
    monkeypatch.setattr("nas.pretrained.sources.torchvision._digits", lambda weights: digest[:8])
    start = read(tmp_path / "mine.pth")
    assert (start.origin.source, start.origin.licence) == ("torchvision, IMAGENET1K_V1", "BSD-3-Clause")
    assert start.classes[0] == "tench"
    assert isinstance(start.pretrained.model, StaticNetwork)
    assert start.pretrained.network.params == reference_network("mobilenet_v3_small").params
