"""Writes a trained network as one readable Python file that needs PyTorch and safetensors only.

The code is generated operation by operation from the lowering, as the ONNX file is. BatchNorm is not folded,
so that the network can be trained further, as a classifier or as the backbone of a detector.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from nas.blocks import INPUT, forms_of
from nas.blocks.offset_ops import OffsetAttention
from nas.blocks.token_ops import Position, Windows
from nas.deploy.interface import package_version
from nas.deploy.python_code import offsets, operations, scan, tokens  # noqa: F401  they register code
from nas.deploy.python_code.writer import PythonWriter, State, python_of

if TYPE_CHECKING:
    from nas.deploy.onnx import Metadata
    from nas.nn import StaticNetwork


def write_python(model: StaticNetwork, *, name: str, about: Metadata) -> tuple[str, State]:
    """Writes a network as Python code.

    Args:
        model: The network in evaluation mode.
        name: The network's name, for the first line.
        about: The description of its images and classes.

    Returns:
        The file's text, and the tensors that its class loads, by name.
    """
    layers: list[str] = []
    lines: list[str] = []
    functions: dict[str, None] = {}
    state: State = {}
    maps: list[tuple[str, int, int]] = []
    places = model.network.placed_blocks
    for number, (module, (place, block)) in enumerate(zip(model.blocks, places, strict=True)):
        static = model.blocks[module]
        weights = dict(static.get_submodule("block").state_dict())
        writer = PythonWriter(module, weights, norm_epsilon=model.network.norm_epsilon)
        values: list[str] = []
        for i, op in enumerate(block.ops):
            inputs = tuple("x" if j == INPUT else values[j] for j in op.inputs)
            with forms_of(block):
                code = python_of(op, writer, inputs)
            values.append("x" if i == len(block.ops) - 1 else f"y{i}")
            writer.line(values[-1], code)
        layers += [f"# {place}", *writer.layers] if writer.layers else []
        lines += [f"# {place}", *writer.lines]
        state |= writer.state
        functions |= writer.functions
        if _ends_stage(model, number):
            shape = block.out_shape
            maps.append((module, shape.channels, round(model.network.resolution / shape.height)))
            lines.append("features.append(x)")
    text = _TEMPLATE.format(
        name=name,
        version=package_version(),
        channels=model.network.input_channels,
        resolution=model.network.resolution,
        classes=json.dumps(list(about.classes), ensure_ascii=False),
        mean=about.mean,
        std=about.std,
        crop=about.crop,
        sizes="" if _is_tied(model) else " The backbone takes other sizes, too.",
        feature_info="\n".join(_feature(*each) for each in maps),
        functions="".join(f"\n\n{code}" for code in functions),
        layers=_indented(layers),
        lines=_indented(_until_features(lines)),
        head=_indented(_after_features(lines)),
    )
    return text, {key: value.detach().cpu().contiguous() for key, value in state.items()}


def _is_tied(model: StaticNetwork) -> bool:
    """Whether a table of positions or of offsets, or windows, tie the network to its resolution."""
    tied = (OffsetAttention, Position, Windows)
    return any(isinstance(op, tied) for _, block in model.network.placed_blocks for op in block.ops)


def _ends_stage(model: StaticNetwork, number: int) -> bool:
    """Whether a block is the last of its stage."""
    places = [place for place, _ in model.network.placed_blocks]
    here, after = places[number], places[number + 1 :]
    return here.section == "stages" and not any(
        (other.section, other.stage) == (here.section, here.stage) for other in after
    )


def _until_features(lines: list[str]) -> list[str]:
    return lines[: _end(lines)]


def _after_features(lines: list[str]) -> list[str]:
    return lines[_end(lines) :]


def _end(lines: list[str]) -> int:
    """The position behind the last feature map."""
    return max((i + 1 for i, line in enumerate(lines) if line == "features.append(x)"), default=0)


def _feature(module: str, channels: int, reduction: int) -> str:
    return f'    {{"num_chs": {channels}, "reduction": {reduction}, "module": "{module}"}},'


def _indented(lines: list[str]) -> str:
    return "\n".join(f"        {line}" for line in lines)


_TEMPLATE = '''\
"""{name}: written by hwnas {version}; needs PyTorch and safetensors.

    from network import load

    model = load()                        # images to logits (N, classes)
    backbone = load(features_only=True)   # images to one feature map for each stage
    backbone.feature_info.channels(), backbone.feature_info.reduction()

Images are of shape (N, {channels}, {resolution}, {resolution}). An image becomes an input as follows:
its centre square, with {crop:g} of the shorter side, is resized to {resolution} pixels (bilinear,
antialiased); pixels from 0 to 1 are normalised by MEAN and STD.{sizes}
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

CLASSES = {classes}
RESOLUTION = {resolution}
CROP = {crop}
MEAN = {mean}
STD = {std}

FEATURES = [
{feature_info}
]


class FeatureInfo(list):
    """The feature maps of a backbone: channels, and pixels of the image for each pixel of the map."""

    def channels(self):
        return [each["num_chs"] for each in self]

    def reduction(self):
        return [each["reduction"] for each in self]

    def module_name(self):
        return [each["module"] for each in self]
{functions}

class Network(nn.Module):
    def __init__(self, features_only=False):
        super().__init__()
        self.features_only = features_only
        self.feature_info = FeatureInfo(FEATURES)
{layers}

    def forward(self, images):
        x, features = images, []
{lines}
        if self.features_only:
            return features
{head}
        return x.flatten(1)


def load(features_only=False, weights=Path(__file__).with_name("weights.safetensors")):
    """The trained network in evaluation mode."""
    model = Network(features_only)
    model.load_state_dict(load_file(weights))
    return model.eval()
'''
