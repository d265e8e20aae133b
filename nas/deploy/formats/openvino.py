"""``openvino``: OpenVINO's intermediate representation with FP16 weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from nas.deploy.formats import FloatImages, Format, Predict, Source, in_batches, register
from nas.deploy.isolated import convert
from nas.errors import UserError
from nas.files import atomic_folder
from nas.runner.runtimes.openvino import load_library

MODEL = "model.xml"

USAGE = """\
# pip install openvino
import openvino

network = openvino.compile_model("FILE/model.xml", "CPU")
logits = network(images)[0]
"""


@final
@register
class OpenVino(Format):
    """A folder with ``model.xml`` and ``model.bin``."""

    NAME: ClassVar[str] = "openvino"
    SUMMARY: ClassVar[str] = "OpenVINO IR with FP16 weights"
    SUFFIX: ClassVar[str] = ".openvino"
    PRECISION: ClassVar[str] = "fp16"
    PACKAGES: ClassVar[tuple[str, ...]] = ("onnx", "openvino")
    EXTRA: ClassVar[str] = "openvino"
    TOLERANCE: ClassVar[float] = 1e-2
    NOTE: ClassVar[str] = (
        "accuracy and parity are of INFERENCE_PRECISION_HINT=f32; by default, OpenVINO computes in BF16 or "
        "FP16 where the processor does"
    )
    LIBRARY: ClassVar[str] = "openvino"
    USAGE: ClassVar[str] = USAGE

    def write(self, source: Source, path: Path) -> None:
        with atomic_folder(path) as folder:
            convert(to_openvino, source.onnx, folder / MODEL, log=source.logs / f"{path.name}.log")

    def open(self, path: Path) -> Predict:
        return open_openvino(path)


def open_openvino(path: Path) -> Predict:
    """Loads the model of a folder, to compute in FP32 on the CPU.

    Raises:
        UserError: If the model is damaged.
    """
    import torch

    if not (path / MODEL).read_bytes().lstrip().startswith(b"<"):  # OpenVINO would try other formats, aloud
        raise UserError(f"{path / MODEL} is damaged; export it again: nas export run_dir=…")
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    try:
        compiled: Any = load_library().Core().compile_model(str(path / MODEL), "CPU", settings)
    except RuntimeError as error:
        raise UserError(
            f"OpenVINO cannot load {path} ({error}); export it again: nas export run_dir=…"
        ) from None

    def predict(images: FloatImages) -> NDArray[np.float32]:
        logits: NDArray[np.float32] = compiled(images)[0]
        return logits

    batch = compiled.input(0).get_partial_shape()[0]
    return in_batches(predict, batch.get_length()) if batch.is_static else predict


def to_openvino(source: str, path: str) -> None:
    """Writes an ONNX file as OpenVINO IR with FP16 weights."""
    save(read(source), path)


def read(source: str) -> Any:
    """Reads an ONNX file; its metadata become the model's."""
    import onnx

    model = load_library().convert_model(source)
    for item in onnx.load(source).metadata_props:
        model.set_rt_info(item.value, ["model_info", item.key])
    return model


def save(model: Any, path: str) -> None:
    """Saves a model, floats in FP16."""
    load_library().save_model(model, path, compress_to_fp16=True)
