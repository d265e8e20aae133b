"""``coreml``: a package for Apple's Core ML in FP16.

Core ML runs on Apple's systems only. Elsewhere the package is read back and its program computed by PyTorch
in FP32: that checks the file, not Apple's arithmetic.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from nas.deploy.formats import CannotRunError, FloatImages, Format, Predict, Source, in_batches, register
from nas.deploy.formats.torch_export import METADATA, plain_module, traced
from nas.deploy.interface import OUTPUT
from nas.deploy.isolated import convert, predict_apart
from nas.files import atomic_folder


@final
@register
class CoreMl(Format):
    """An ``.mlpackage`` with a fixed batch, by default of one image."""

    NAME: ClassVar[str] = "coreml"
    SUMMARY: ClassVar[str] = "Core ML in FP16, for Apple devices with iOS 16 or macOS 13"
    SUFFIX: ClassVar[str] = ".mlpackage"
    PRECISION: ClassVar[str] = "fp16"
    PACKAGES: ClassVar[tuple[str, ...]] = ("torch", "coremltools")
    EXTRA: ClassVar[str] = "coreml"
    TOLERANCE: ClassVar[float] = 2e-2
    NOTE: ClassVar[str] = "checked by reading the package back; Core ML itself was not run"
    LIBRARY: ClassVar[str] = "coreml"
    USAGE: ClassVar[str] = """\
# pip install coremltools (on macOS)
import coremltools

network = coremltools.models.MLModel("FILE")
logits = network.predict({"images": images})["logits"]
"""

    def write(self, source: Source, path: Path) -> None:
        with atomic_folder(path) as folder, plain_module(source) as module:
            convert(to_coreml, module, source.batch, folder, log=source.logs / f"{path.name}.log")

    def open(self, path: Path) -> Predict:
        return predict_apart(load, path)


def to_coreml(module: str, batch: int | None, path: str) -> None:
    """Writes the network of a folder as a Core ML package."""
    import coremltools

    program = traced(module, batch=batch or 1).run_decompositions({})
    package = coremltools.convert(
        program,
        convert_to="mlprogram",
        compute_precision=coremltools.precision.FLOAT16,
        minimum_deployment_target=coremltools.target.iOS16,
        outputs=[coremltools.TensorType(name=OUTPUT)],
        skip_model_load=True,
    )
    about = json.loads((Path(module) / METADATA).read_text(encoding="utf-8"))
    for name, value in about.items():
        package.user_defined_metadata[name] = json.dumps(value)
    package.save(path)


def load(path: Path) -> Predict:
    """Reads a package back, to compute its program with PyTorch.

    Raises:
        CannotRunError: If it has an operation without a form here.
    """
    import coremltools
    import torch
    from coremltools.converters.mil.frontend.milproto.load import load as load_program

    package = coremltools.models.MLModel(str(path), skip_model_load=True)
    spec = package.get_spec()
    program = load_program(spec, spec.specificationVersion, file_weights_dir=package.weights_dir)
    function, rules = program.functions["main"], _rules()
    [(name, images_of)] = function.inputs.items()
    operations = [each for each in function.operations if each.op_type != "const"]
    if unknown := sorted({each.op_type for each in operations} - rules.keys()):
        raise CannotRunError(f"its operations {', '.join(unknown)} have no form in PyTorch here")

    computed = {name, *(each.outputs[0].name for each in operations)}
    given = [_inputs(each, computed) for each in operations]

    def predict(images: FloatImages) -> NDArray[np.float32]:
        values = {name: torch.from_numpy(np.array(images))}
        for each, (sources, constants) in zip(operations, given, strict=True):
            tensors = {key: values[source] for key, source in sources.items()}
            values[each.outputs[0].name] = rules[each.op_type](**tensors, **constants)
        logits: NDArray[np.float32] = values[function.outputs[0].name].numpy()
        return logits

    return in_batches(predict, int(images_of.shape[0]))


def _inputs(operation: Any, computed: set[str]) -> tuple[dict[str, str], dict[str, Any]]:
    """The inputs of an operation: names of computed values, and constants (tensors in FP32, and settings)."""
    inputs = {key: var for key, var in operation.inputs.items() if var is not None}
    sources = {key: str(var.name) for key, var in inputs.items() if var.name in computed}
    return sources, {key: _constant(var.val) for key, var in inputs.items() if key not in sources}


def _constant(value: Any) -> Any:
    import torch

    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return torch.from_numpy(value.astype(np.float32))
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def _rules() -> dict[str, Callable[..., Any]]:
    """The operations of Core ML's intermediate language (MIL) in PyTorch, by name."""
    import torch
    from torch.nn import functional

    def conv(x: Any, weight: Any, strides: Any, pad: Any, groups: Any, bias: Any = None, **_: Any) -> Any:
        top, bottom, left, right = pad or (0, 0, 0, 0)
        padded = functional.pad(x, (left, right, top, bottom))
        return functional.conv2d(padded, weight, bias, stride=strides, groups=groups)

    def max_pool(x: Any, kernel_sizes: Any, strides: Any, pad: Any, ceil_mode: Any = False, **_: Any) -> Any:
        return functional.max_pool2d(x, kernel_sizes, strides, pad[::2], ceil_mode=ceil_mode)

    def avg_pool(x: Any, kernel_sizes: Any, strides: Any, pad: Any, ceil_mode: Any = False, **_: Any) -> Any:
        return functional.avg_pool2d(
            x, kernel_sizes, strides, pad[::2], ceil_mode=ceil_mode, count_include_pad=False
        )

    def expand_dims(x: Any, axes: Any) -> Any:
        for axis in axes:
            x = x.unsqueeze(axis)
        return x

    return {
        "add": lambda x, y: x + y,
        "avg_pool": avg_pool,
        "cast": lambda x, dtype: x,
        "conv": conv,
        "expand_dims": expand_dims,
        "gelu": lambda x, mode: functional.gelu(x, approximate="none" if mode == "EXACT" else "tanh"),
        "layer_norm": lambda x, axes, gamma, beta, epsilon: functional.layer_norm(
            x, gamma.shape, gamma, beta, epsilon
        ),
        "linear": lambda x, weight, bias=None: functional.linear(x, weight, bias),
        "max_pool": max_pool,
        "mul": lambda x, y: x * y,
        "reduce_mean": lambda x, axes, keep_dims: x.mean(axes, keepdim=keep_dims),
        "relu": lambda x: functional.relu(x),  # noqa: PLW0108  x is a keyword
        "relu6": lambda x: functional.relu6(x),  # noqa: PLW0108  x is a keyword
        "reshape": lambda x, shape: x.reshape(shape),
        "sigmoid": lambda x: torch.sigmoid(x),  # noqa: PLW0108  x is a keyword
        "sigmoid_hard": lambda x, alpha, beta: (alpha * x + beta).clamp(0, 1),
        "silu": lambda x: functional.silu(x),  # noqa: PLW0108  x is a keyword
        "squeeze": lambda x, axes: x.squeeze(tuple(axes)),
        "thresholded_relu": lambda x, alpha: torch.where(x >= alpha, x, torch.zeros(())),
        "transpose": lambda x, perm: x.permute(perm),
    }
