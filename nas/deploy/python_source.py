"""Writes a trained network as one readable Python file that needs PyTorch and safetensors only.

The code is generated operation by operation from the lowering, as the ONNX file is. BatchNorm is not folded,
so that the network can be trained further, as a classifier or as the backbone of a detector.
"""

from __future__ import annotations

import json
from functools import singledispatch
from typing import TYPE_CHECKING

from nas.blocks import INPUT, MissingFormError, Op, forms_of
from nas.blocks.ops import (
    Activation,
    Add,
    Conv2d,
    GlobalAveragePool,
    LayerNorm,
    Linear,
    Multiply,
    Pool,
    Scale,
)
from nas.deploy.interface import package_version
from nas.network import NORM_EPSILON

if TYPE_CHECKING:
    from torch import Tensor

    from nas.deploy.onnx import Metadata
    from nas.nn import StaticNetwork

State = dict[str, "Tensor"]


class PythonWriter:
    """Collects the lines of a module's ``__init__`` and ``forward``, and the module's state.

    Every value is a variable of shape (N, C, H, W).

    Args:
        place: Prefix of the names of a block's layers, e.g. ``stages_2_0``.
        weights: State of the block's layers, by the names that they have in ``nas.nn``.
        norm_epsilon: The network's BatchNorm epsilon.
    """

    def __init__(self, place: str, weights: State, *, norm_epsilon: float = NORM_EPSILON) -> None:
        self._place, self._weights = place, weights
        self.norm_epsilon = norm_epsilon
        self.layers: list[str] = []
        self.lines: list[str] = []
        self.state: State = {}

    def layer(self, role: str, code: str, *, source: str, suffix: str = "") -> str:
        """Adds a layer with the weights of ``source``; returns its expression in ``forward``."""
        name = f"{self._place}_{role}{suffix}"
        self.layers.append(f"self.{name} = {code}")
        prefix = f"{role}.{source}"
        for key, value in self._weights.items():
            if key.startswith(prefix):
                self.state[f"{name}.{key.removeprefix(prefix)}".rstrip(".")] = value
        return f"self.{name}"

    def line(self, target: str, code: str) -> None:
        """Adds an assignment to ``forward``."""
        self.lines.append(f"{target} = {code}")


@singledispatch
def python_of(op: Op, writer: PythonWriter, inputs: tuple[str, ...]) -> str:
    """Returns the expression of one operation. New operations register their own function."""
    raise MissingFormError("Python", op, register="python_of.register")


@python_of.register
def _conv(op: Conv2d, writer: PythonWriter, inputs: tuple[str, ...]) -> str:
    options = [f"stride={op.stride}"] if op.stride > 1 else []
    options += [f"padding={op.pad}"] if op.pad else []
    options += [f"groups={op.groups}"] if op.groups > 1 else []
    options += [] if op.bias else ["bias=False"]
    sizes = [str(op.in_shape.channels), str(op.out_channels), str(op.kernel)]
    conv = writer.layer(op.role, f"nn.Conv2d({', '.join([*sizes, *options])})", source="conv.")
    code = f"{conv}({inputs[0]})"
    if not op.norm:
        return code
    epsilon = "" if writer.norm_epsilon == NORM_EPSILON else f", eps={writer.norm_epsilon}"
    layer = f"nn.BatchNorm2d({op.out_channels}{epsilon})"
    norm = writer.layer(op.role, layer, source="norm.", suffix="_norm")
    return f"{norm}({code})"


@python_of.register
def _linear(op: Linear, writer: PythonWriter, inputs: tuple[str, ...]) -> str:
    bias = "" if op.bias else ", bias=False"
    code = f"nn.Linear({op.in_shape.elements}, {op.out_features}{bias})"
    return f"{writer.layer(op.role, code, source='')}({inputs[0]}.flatten(1))[:, :, None, None]"


@python_of.register
def _activation(op: Activation, writer: PythonWriter, inputs: tuple[str, ...]) -> str:
    return f"{_FUNCTIONS[op.function]}({inputs[0]})"


_FUNCTIONS = {
    "relu": "F.relu",
    "relu6": "F.relu6",
    "hard_swish": "F.hardswish",
    "silu": "F.silu",
    "gelu": "F.gelu",
    "hard_sigmoid": "F.hardsigmoid",
    "sigmoid": "torch.sigmoid",
}


@python_of.register
def _pool(op: Pool, writer: PythonWriter, inputs: tuple[str, ...]) -> str:
    options = f"{op.kernel}, {op.stride}, {op.padding}, ceil_mode={op.ceil}"
    if op.mode == "max":
        return f"F.max_pool2d({inputs[0]}, {options})"
    return f"F.avg_pool2d({inputs[0]}, {options}, count_include_pad=False)"


@python_of.register
def _global_average_pool(op: GlobalAveragePool, writer: PythonWriter, inputs: tuple[str, ...]) -> str:
    return f"{inputs[0]}.mean((2, 3), keepdim=True)"


@python_of.register
def _add(op: Add, writer: PythonWriter, inputs: tuple[str, ...]) -> str:
    return " + ".join(inputs)


@python_of.register
def _multiply(op: Multiply, writer: PythonWriter, inputs: tuple[str, ...]) -> str:
    return " * ".join(inputs)


@python_of.register
def _scale(op: Scale, writer: PythonWriter, inputs: tuple[str, ...]) -> str:
    code = f"nn.Parameter(torch.ones({op.in_shape.channels}, 1, 1))"
    return f"{inputs[0]} * {writer.layer(op.role, code, source='weight')}"


@python_of.register
def _layer_norm(op: LayerNorm, writer: PythonWriter, inputs: tuple[str, ...]) -> str:
    code = f"nn.LayerNorm({op.in_shape.channels}, eps={op.epsilon})"
    norm = writer.layer(op.role, code, source="")
    return f"{norm}({inputs[0]}.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)"


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
        feature_info="\n".join(_feature(*each) for each in maps),
        layers=_indented(layers),
        lines=_indented(_until_features(lines)),
        head=_indented(_after_features(lines)),
    )
    return text, {key: value.detach().cpu().contiguous() for key, value in state.items()}


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
antialiased); pixels from 0 to 1 are normalised by MEAN and STD. The backbone takes other sizes, too.
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
