"""Files of timm's mobile networks: weights by its names, and the ``config.json`` that is published beside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, final

from nas.blocks import BlockSpec
from nas.errors import UserError
from nas.files import fields_of, read_json
from nas.network import NetworkSpec, Place, reference_network
from nas.nn.static import module_name
from nas.pretrained import imagenet
from nas.pretrained.base import SOURCES, Origin, Preprocessing, Pretrained, Source, Start, Store
from nas.pretrained.network_start import NetworkStart
from nas.pretrained.tensor_file import TensorFile
from nas.pretrained.transfer import expected, filled, layer, nearest

NETWORKS = (
    "mnasnet1_0",
    "mobilenet_v2",
    "mobilenet_v3_large",
    "mobilenet_v3_small",
    "mobilenetv4_conv_small",
    *(f"efficientnet_b{number}" for number in range(8)),
    *(f"efficientnet_lite{number}" for number in range(5)),
)
"""The networks that timm computes as we do, by our names."""

CONFIG = "config.json"

_TENSORFLOW = "tf_"
"""How timm's names of networks begin whose weights come from TensorFlow."""

_FIRST, _CLASSIFIER = "conv_stem.weight", "classifier.weight"

_ROLES = {
    "expand": ("conv_pw", "bn1"),
    "depthwise": ("conv_dw", "bn2"),
    "project": ("conv_pwl", "bn3"),
    "conv": ("conv", "bn1"),
}
_WITHOUT_EXPANSION = {"depthwise": ("conv_dw", "bn1"), "project": ("conv_pw", "bn2")}
_UNIVERSAL = {
    "start": ("dw_start.conv", "dw_start.bn"),
    "expand": ("pw_exp.conv", "pw_exp.bn"),
    "middle": ("dw_mid.conv", "dw_mid.bn"),
    "project": ("pw_proj.conv", "pw_proj.bn"),
}
_EXCITATION = {"squeeze": "se.conv_reduce", "excite": "se.conv_expand"}


@final
@SOURCES.register
class Timm(Source):
    """Files that the user provides; none is found by name."""

    NAME: ClassVar[str] = "timm"

    def names(self) -> tuple[str, ...]:
        return ()

    def find(self, name: str, *, store: Store) -> Path:
        raise UserError(f"{name} is not a file; a network of timm is named by the path of its file")

    def start(self, file: TensorFile) -> Start | None:
        weight = file.tensors.get(_CLASSIFIER)
        if _FIRST not in file.tensors or weight is None or weight.ndim != 2:
            return None
        return NetworkStart.of(_pretrained(file, classes=len(weight)))


def _pretrained(file: TensorFile, *, classes: int) -> Pretrained:
    name = _name(file, classes)
    network = reference_network(name, classes=classes)
    file.check(expected(network, _layers(network)), network=name)
    path = file.path.parent / CONFIG
    if not path.is_file():
        raise UserError(
            f"{file.path} has timm's names, but {CONFIG} is not beside it; put it there: it holds the "
            "architecture, the normalisation and the licence, and is published with the weights"
        )
    config = read_json(path)
    with fields_of(path, remedy="get it again, from where the weights are"):
        architecture, published = str(config["architecture"]), config["pretrained_cfg"]
        preprocessing = Preprocessing(
            mean=tuple(map(float, published["mean"])),
            std=tuple(map(float, published["std"])),
            resolution=int(published["input_size"][-1]),
            crop=float(published["crop_pct"]),
            interpolation=str(published["interpolation"]),
        )
        licence, tag = str(published.get("license") or ""), str(published.get("tag") or "")
    epsilon = 1e-3 if architecture.startswith(_TENSORFLOW) else 1e-5
    network = replace(network, norm_epsilon=epsilon)
    return Pretrained(
        network=network,
        model=filled(network, file, _layers(network), name=name),
        classes=imagenet.class_names() if classes == 1000 and "in1k" in tag else (),
        preprocessing=preprocessing,
        origin=Origin(
            name=name,
            source=f"timm, {architecture}{tag and '.'}{tag}",
            licence="Apache-2.0" if licence == "apache-2.0" else licence,
            sha256=file.sha256,
        ),
    )


def _name(file: TensorFile, classes: int) -> str:
    """The network of a file; for a file of another one, the network whose tensors have the nearest names."""

    def others(name: str) -> int:
        network = reference_network(name, classes=classes)
        return len(file.shapes.keys() ^ expected(network, _layers(network)).keys())

    name = nearest(file, NETWORKS, classes=classes)
    return name if others(name) == 0 else min(NETWORKS, key=others)


def _layers(network: NetworkSpec) -> dict[str, str]:
    """From the names of our layers to timm's."""
    names = dict[str, str]()
    for place, prefix in _prefixes(network):
        spec = dict(network.placed_blocks)[place]
        ours = module_name(place)
        for role, (convolution, norm) in _of_block(spec).items():
            names[layer(ours, role, "conv")] = f"{prefix}.{convolution}"
            names[layer(ours, role, "norm")] = f"{prefix}.{norm}"
        for role, name in _EXCITATION.items():
            names[layer(ours, role, "conv")] = f"{prefix}.{name}"
    return names | _ends(network)


def _prefixes(network: NetworkSpec) -> Iterator[tuple[Place, str]]:
    """Our places of numbered blocks, and timm's names of them: ``blocks.STAGE.INDEX``.

    A second block of the stem, and the first convolution of two in the head, are stages there.
    """
    extra = len(network.stem) - 1
    for place, _ in network.placed_blocks:
        if place.section == "stem" and place.index > 0:
            yield place, f"blocks.0.{place.index - 1}"
        if place.section == "stages":
            yield place, f"blocks.{place.stage + extra}.{place.index}"
    first, *others = _with_weights(network)
    if others:
        yield first, f"blocks.{len(network.stages) + extra}.0"


def _with_weights(network: NetworkSpec) -> list[Place]:
    """The places of the head whose blocks have weights."""
    return [place for place, spec in network.placed_blocks if place.section == "head" and spec.params]


def _of_block(spec: BlockSpec) -> dict[str, tuple[str, str]]:
    """The names of a block's convolutions and norms, by our roles."""
    roles = {op.role for op in spec.ops if op.role}
    if spec.KIND == "universal_inverted_bottleneck":
        return _UNIVERSAL
    return _ROLES if "expand" in roles or "conv" in roles else _WITHOUT_EXPANSION


def _ends(network: NetworkSpec) -> dict[str, str]:
    """The layers outside of numbered blocks."""
    last, (_, *second) = _with_weights(network)[-1], _with_weights(network)
    ours = module_name(last)
    return {
        layer("stem_0", "conv", "conv"): "conv_stem",
        layer("stem_0", "conv", "norm"): "bn1",
        layer(ours, "conv", "conv"): "conv_head",
        layer(ours, "conv", "norm"): "norm_head" if second else "bn2",
        layer(ours, "linear"): "conv_head",
        layer("classifier", "linear"): "classifier",
    }
