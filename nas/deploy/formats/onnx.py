"""``onnx``: FP32 ONNX, run by ONNX Runtime. Every other format starts from it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from nas.deploy.formats import FloatImages, Format, Predict, Source, in_batches, register
from nas.deploy.interface import INPUT, OUTPUT
from nas.errors import UserError
from nas.files import atomic

READERS = frozenset({"onnxruntime", "openvino", "tensorrt", "torch"})
"""Runtimes that read ONNX files."""

USAGE = """\
# pip install onnxruntime
import onnxruntime

session = onnxruntime.InferenceSession("FILE", providers=["CPUExecutionProvider"])
[logits] = session.run(["logits"], {"images": images})
"""


@final
@register
class Onnx(Format):
    """FP32 ONNX."""

    NAME: ClassVar[str] = "onnx"
    SUMMARY: ClassVar[str] = "ONNX in FP32"
    SUFFIX: ClassVar[str] = ".onnx"
    PACKAGES: ClassVar[tuple[str, ...]] = ("torch", "onnx", "onnxruntime")
    RUNTIMES: ClassVar[frozenset[str]] = READERS
    TOLERANCE: ClassVar[float] = 1e-4
    LIBRARY: ClassVar[str] = "onnx"
    USAGE: ClassVar[str] = USAGE

    def write(self, source: Source, path: Path) -> None:
        if path != source.onnx:
            with atomic(path) as temporary:
                shutil.copyfile(source.onnx, temporary)

    def open(self, path: Path) -> Predict:
        return open_onnx(path)


def open_onnx(path: Path, *, threads: int | None = None) -> Predict:
    """Loads an ONNX file into ONNX Runtime, on the CPU.

    Args:
        path: A file written by ``export_onnx``.
        threads: Threads per inference; by default, as many as PyTorch uses.

    Raises:
        UserError: If the file is missing or ONNX Runtime cannot run it.
    """
    import onnxruntime
    import torch

    if not path.is_file():
        raise UserError(f"{path} does not exist; export the network first: nas export run_dir=…")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or torch.get_num_threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session: Any = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001  ONNX Runtime raises its own types and RuntimeError
        raise UserError(
            f"ONNX Runtime cannot load {path} ({error}); export it again: nas export run_dir=…"
        ) from None

    def predict(images: FloatImages) -> NDArray[np.float32]:
        logits: NDArray[np.float32] = session.run([OUTPUT], {INPUT: np.ascontiguousarray(images)})[0]
        return logits

    batch = session.get_inputs()[0].shape[0]
    return in_batches(predict, batch) if isinstance(batch, int) else predict
