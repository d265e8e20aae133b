"""``ort``: ONNX Runtime's own format, for its mobile builds."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, final

from nas.deploy.formats import Format, Predict, Source, register
from nas.deploy.formats.onnx import Onnx, open_onnx
from nas.deploy.isolated import convert
from nas.files import atomic


@final
@register
class Ort(Format):
    """An optimised FP32 network in ORT format."""

    NAME: ClassVar[str] = "ort"
    SUMMARY: ClassVar[str] = "ONNX Runtime's format for phones, in FP32"
    SUFFIX: ClassVar[str] = ".ort"
    PACKAGES: ClassVar[tuple[str, ...]] = Onnx.PACKAGES
    TOLERANCE: ClassVar[float] = 1e-4
    NOTE: ClassVar[str] = "for phones; on an x86 processor it is slower than the ONNX file"
    LIBRARY: ClassVar[str] = Onnx.LIBRARY
    USAGE: ClassVar[str] = Onnx.USAGE

    def write(self, source: Source, path: Path) -> None:
        with atomic(path) as temporary:
            convert(optimise, source.onnx, temporary, log=source.logs / f"{path.name}.log")

    def open(self, path: Path) -> Predict:
        return open_onnx(path)


def optimise(source: str, path: str) -> None:
    """Writes an ONNX file in ORT format, with the optimisations that suit every processor."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = path
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(
        source,
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=["NchwcTransformer"],  # its blocked layout is that of this processor
    )
