"""``litert``: a file for LiteRT, formerly TensorFlow Lite, for phones and other Arm processors."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from nas.deploy import to_litert
from nas.deploy.environments import Environment
from nas.deploy.formats import FloatImages, Format, Predict, Source, in_batches, register
from nas.deploy.formats.torch_export import plain_module
from nas.deploy.isolated import predict_apart, run_converter
from nas.files import atomic

_TIMEOUT_S = 3600.0  # a conversion takes half a minute, but minutes on a busy machine
_WITH_CUDA = sys.platform == "linux"  # PyTorch's wheels for Linux bring CUDA's libraries

CONVERTER = Environment(
    name="litert",
    requirements=(
        "litert-torch==0.10.0",
        "torch==2.14.1",
        "torchao==0.18.0",
        "jax==0.10.2",
        "transformers==5.24.0",
    ),
    download_mb=3300 if _WITH_CUDA else 500,
    disk_mb=6700 if _WITH_CUDA else 1800,
)
"""``litert-torch`` needs an older PyTorch than the project may have."""


@final
@register
class LiteRt(Format):
    """A ``.tflite`` file with a fixed batch, by default of one image."""

    NAME: ClassVar[str] = "litert"
    SUMMARY: ClassVar[str] = "LiteRT (TensorFlow Lite) in FP32"
    SUFFIX: ClassVar[str] = ".tflite"
    PACKAGES: ClassVar[tuple[str, ...]] = ("torch", "safetensors", "ai-edge-litert")
    EXTRA: ClassVar[str] = "litert"
    ENVIRONMENT: ClassVar[Environment | None] = CONVERTER
    TOLERANCE: ClassVar[float] = 1e-4
    NOTE: ClassVar[str] = "its input is (N, height, width, channels)"
    LIBRARY: ClassVar[str] = "tflite"
    USAGE: ClassVar[str] = """\
# pip install ai-edge-litert
from ai_edge_litert.interpreter import Interpreter

network = Interpreter("FILE").get_signature_runner()
logits = network(images=images.transpose(0, 2, 3, 1))["logits"]
"""

    def write(self, source: Source, path: Path) -> None:
        with atomic(path) as temporary:
            write_float(source, temporary, log=source.logs / f"{path.name}.log")

    def open(self, path: Path) -> Predict:
        return predict_apart(load, path)


def write_float(source: Source, path: Path, *, log: Path) -> None:
    """Writes the network in FP32, in the converter's environment.

    Raises:
        ConverterError: If the converter fails.
    """
    with plain_module(source) as module:
        arguments = [str(module), str(source.batch or 1), str(path)]
        command = [str(CONVERTER.python), "-I", to_litert.__file__, *arguments]
        run_converter(command, log=log, timeout_s=_TIMEOUT_S)


def load(path: Path) -> Predict:
    """Loads a file into LiteRT, which prints to the standard error."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter: Any = Interpreter(str(path))
    [about] = interpreter.get_input_details()
    network = interpreter.get_signature_runner()

    def predict(images: FloatImages) -> NDArray[np.float32]:
        logits: NDArray[np.float32] = network(images=images.transpose(0, 2, 3, 1))["logits"]
        return logits

    return in_batches(predict, int(about["shape"][0]))
