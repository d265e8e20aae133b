"""``executorch_int8``: a program of ExecuTorch for XNNPACK in INT8, quantised by PT2E on training images."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, final

import numpy as np

from nas.deploy.formats import LEAST_AGREEMENT, Format, Predict, Source, register
from nas.deploy.formats.executorch import ExecuTorch, load, save
from nas.deploy.formats.torch_export import plain_module, traced
from nas.deploy.isolated import convert, predict_apart
from nas.files import atomic


@final
@register
class ExecuTorchInt8(Format):
    """A ``.pte`` file with a fixed batch, by default of one image."""

    NAME: ClassVar[str] = "executorch_int8"
    SUMMARY: ClassVar[str] = "ExecuTorch with XNNPACK in INT8, calibrated on training images"
    SUFFIX: ClassVar[str] = ".int8.pte"
    PRECISION: ClassVar[str] = "int8"
    CALIBRATED: ClassVar[bool] = True
    PACKAGES: ClassVar[tuple[str, ...]] = (*ExecuTorch.PACKAGES, "torchao")
    EXTRA: ClassVar[str] = "executorch"
    TOLERANCE: ClassVar[float] = float("inf")
    AGREEMENT: ClassVar[float | None] = LEAST_AGREEMENT
    LIBRARY: ClassVar[str] = ExecuTorch.LIBRARY
    USAGE: ClassVar[str] = ExecuTorch.USAGE

    def write(self, source: Source, path: Path) -> None:
        log = source.logs / f"{path.name}.log"
        with atomic(path) as temporary, plain_module(source) as module, source.saved_calibration() as images:
            convert(quantise, module, images, source.batch, temporary, log=log)

    def open(self, path: Path) -> Predict:
        return predict_apart(load, path)


def quantise(module: str, images: str, batch: int | None, path: str) -> None:
    """Writes the network of a folder as a program of ExecuTorch in INT8."""
    import torch
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    size = batch or 1
    program = traced(module, batch=size)
    quantizer = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
    prepared = prepare_pt2e(program.module(), quantizer)
    calibration = np.load(images)
    for start in range(0, len(calibration) - size + 1, size):
        prepared(torch.from_numpy(calibration[start : start + size]))
    example = torch.zeros(size, *calibration.shape[1:])
    save(torch.export.export(convert_pt2e(prepared), (example,)), path)
