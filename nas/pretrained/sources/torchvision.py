"""The networks of torchvision from its own files: given by path, found among downloads, or downloaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, final
from urllib.error import URLError

import torch
from torch import nn

from nas.errors import UserError
from nas.files import sha256
from nas.network import NetworkSpec, reference_names, reference_network
from nas.nn import StaticNetwork
from nas.nn.torchvision_weights import take_torchvision_weights
from nas.pretrained import imagenet
from nas.pretrained.base import SOURCES, Origin, Preprocessing, Pretrained, Source, Start, Store
from nas.pretrained.network_start import NetworkStart
from nas.pretrained.tensor_file import COUNTER, TensorFile
from nas.pretrained.transfer import nearest

LICENCE = "BSD-3-Clause"
"""The licence of torchvision, which publishes the weights; ImageNet has terms of its own."""

_FAMILIES = (
    ("resnet", "conv1.weight", "fc"),
    ("mnasnet", "layers.0.weight", "classifier.1"),
    ("mobilenet_v2 efficientnet", "features.0.0.weight", "classifier.1"),
    ("convnext", "features.0.0.weight", "classifier.2"),
    ("mobilenet_v3", "features.0.0.weight", "classifier.3"),
    ("vit_", "conv_proj.weight", "heads.head"),
    ("swin_", "features.0.0.weight", "head"),
)
"""How names begin, and the first weight and the classifier, by which a file is recognised."""


@final
@SOURCES.register
class Torchvision(Source):
    """The networks that torchvision and this project have in common."""

    NAME: ClassVar[str] = "torchvision"

    def names(self) -> tuple[str, ...]:
        from torchvision import models

        shared = set(models.list_models(module=models))
        return tuple(name for name in reference_names() if name in shared)

    def find(self, name: str, *, store: Store) -> Path:
        weights = _versions(name).DEFAULT
        path = (store.folder or Path(torch.hub.get_dir()) / "checkpoints") / _file(weights)
        if path.is_file():
            if sha256(path).startswith(_digits(weights)):
                return path
            raise UserError(f"{path} is damaged or was changed; delete it and get {weights.url} again")
        if not store.download:
            raise UserError(
                f"the weights of {name} are not here; set pretrained.download=true to get {weights.url}, or "
                f"put that file at {path}"
            )
        download(weights.url, path, digits=_digits(weights))
        return path

    def start(self, file: TensorFile) -> Start | None:
        for family, first, last in _FAMILIES:
            weight = file.tensors.get(f"{last}.weight")
            if first in file.tensors and weight is not None and weight.ndim == 2:
                names = [name for name in self.names() if name.startswith(tuple(family.split()))]
                return NetworkStart.of(_pretrained(file, names, classes=len(weight)))
        return None


def _pretrained(file: TensorFile, names: Sequence[str], *, classes: int) -> Pretrained:
    """The network of a file, one of ``names``."""
    name = nearest(file, names, classes=classes)
    with torch.device("meta"):
        module = _module(name, classes)
    file.check(_shapes(module), network=name)
    module.to_empty(device="cpu").eval()
    with torch.no_grad():
        for key, tensor in module.state_dict().items():
            if not key.endswith(COUNTER):
                tensor.copy_(file.tensors[key].reshape(tensor.shape))
    network = _network(name, module, classes)
    model = StaticNetwork(network).eval()
    take_torchvision_weights(model, module)
    published = _published(name, file.sha256)
    return Pretrained(
        network=network,
        model=model,
        classes=imagenet.class_names() if published is not None else (),
        preprocessing=_preprocessing(published or next(iter(_versions(name)))),
        origin=Origin(
            name=name,
            source="a file of the user's" if published is None else f"torchvision, {published.name}",
            licence="" if published is None else LICENCE,
            sha256=file.sha256,
        ),
    )


def _module(name: str, classes: int) -> nn.Module:
    from torchvision.models import get_model

    module: nn.Module = get_model(name, num_classes=classes)
    return module


def _shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(t.shape) for name, t in module.state_dict().items() if not name.endswith(COUNTER)}


def _network(name: str, module: nn.Module, classes: int) -> NetworkSpec:
    """Our network, with the epsilon of torchvision's BatchNorm."""
    network = reference_network(name, classes=classes)
    epsilons = {layer.eps for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)}
    return replace(network, norm_epsilon=epsilons.pop()) if len(epsilons) == 1 else network


def _versions(name: str) -> Any:
    """The enumeration that torchvision has of a network's files."""
    from torchvision.models import get_model_weights

    return get_model_weights(name)


def _published(name: str, digest: str) -> Any | None:
    """The entry of a published file, by its hash; ``None`` if torchvision has none."""
    return next((entry for entry in _versions(name) if digest.startswith(_digits(entry))), None)


def _file(weights: Any) -> str:
    return str(weights.url).rpartition("/")[2]


def _digits(weights: Any) -> str:
    """The first digits of the SHA-256 of a file, which end its name."""
    return _file(weights).removesuffix(".pth").rpartition("-")[2]


def _preprocessing(weights: Any) -> Preprocessing:
    transforms = weights.transforms()
    [crop], [side] = transforms.crop_size, transforms.resize_size
    return Preprocessing(
        mean=tuple(transforms.mean),
        std=tuple(transforms.std),
        resolution=crop,
        crop=crop / side,
        interpolation=transforms.interpolation.value,
    )


def download(url: str, path: Path, *, digits: str) -> None:
    """Downloads a file to a path; nothing is left there if it fails.

    Args:
        url: Its address.
        path: Where it goes.
        digits: The first digits of its SHA-256.

    Raises:
        UserError: If it cannot be had, or has another hash.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), hash_prefix=digits, progress=False)
    except (URLError, OSError, RuntimeError) as error:
        raise UserError(
            f"{url} could not be downloaded ({error}); get it on another machine and put it at {path}"
        ) from None
