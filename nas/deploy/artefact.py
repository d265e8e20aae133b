"""Writes a network in every configured format, and evaluates the files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nas.deploy.formats import Format, Source, find_format, open_artefact
from nas.deploy.interface import OPSET
from nas.deploy.manifest import Artefact
from nas.deploy.onnx import export_onnx
from nas.deploy.parity import check_parity
from nas.files import sha256

if TYPE_CHECKING:
    from torch import Tensor

    from nas.nn import StaticNetwork
    from nas.training.data import Normalization
    from nas.training.evaluation import Accuracy


def file_stem(name: str) -> str:
    """Returns a file name for a network: ``"mobilenet_v2 ×0.5"`` gives ``"mobilenet_v2_x0.5"``."""
    return re.sub(r"[^\w.+-]+", "_", name.replace("×", "x")).strip("_.") or "network"


def write_artefacts(
    model: StaticNetwork,
    folder: Path,
    *,
    name: str,
    classes: Sequence[str],
    normalize: Normalization,
    images: Tensor,
    formats: Sequence[str] = ("onnx",),
    opset: int = OPSET,
    tolerance: float | None = None,
    calibration: Tensor | None = None,
    int8_target: str = "x86",
) -> tuple[Artefact, ...]:
    """Exports one network in several formats and checks each against the trained network.

    Accuracy and latency are not set in the result; add them with ``dataclasses.replace``.

    Args:
        model: The network, in evaluation mode.
        folder: Folder of the files.
        name: The network's name, used in the file names.
        classes: Name of each output.
        normalize: Normalisation of the training images.
        images: Real, normalised images (N, C, H, W) for the parity check, none of them from the test set.
        formats: Names of formats.
        opset: Operator set of the ONNX file that every format starts from.
        tolerance: Largest error allowed, relative to the largest output; by default, the format's own.
        calibration: Normalised training images (N, C, H, W), for formats that quantise; by default,
            ``images``.
        int8_target: Target of INT8 files, one of ``nas.quantization.SCHEMES``.

    Raises:
        UserError: If a format is unknown or cannot be written, or parity fails.
    """
    targets = [find_format(name) for name in formats]  # all names are checked before any work
    base = folder / f"{file_stem(name)}.onnx"
    export_onnx(model, base, classes=classes, normalize=normalize, opset=opset)
    few = images if calibration is None else calibration
    source = Source(model=model, onnx=base, calibration=few.cpu().float().numpy(), int8_target=int8_target)
    artefacts = tuple(_write(format, source, images, name=name, tolerance=tolerance) for format in targets)
    if base.name not in {artefact.file for artefact in artefacts}:
        base.unlink()  # keep the configured formats only
    return artefacts


def _write(format: Format, source: Source, images: Tensor, *, name: str, tolerance: float | None) -> Artefact:
    path = source.onnx.with_name(file_stem(name) + format.SUFFIX)
    format.write(source, path)
    return Artefact(
        name=name,
        format=format.NAME,
        file=path.name,
        sha256=sha256(path),
        size_bytes=path.stat().st_size,
        parity=check_parity(source.model, path, images, tolerance=tolerance, format=format.NAME),
        versions=format.versions(),
    )


def evaluate_artefact(
    path: Path, image_batches: Iterable[tuple[Tensor, Tensor]], *, format: str = "onnx"
) -> Accuracy:
    """Evaluates the accuracy of the file itself in its own runtime, also by class.

    Args:
        path: The artefact.
        image_batches: Normalised images (N, C, H, W) at its resolution, and labels (N,).
        format: The artefact's format.

    Raises:
        UserError: If the artefact cannot be run.
    """
    from nas.training.evaluation import Accuracy

    predict = open_artefact(path, format=format)
    counts = np.zeros((2, 0), np.int64)
    for x, y in image_batches:
        logits, labels = predict(x.cpu().float().numpy()), y.cpu().numpy()
        correct, classes = labels[logits.argmax(1) == labels], logits.shape[1]
        batch = np.stack([np.bincount(part, minlength=classes) for part in (correct, labels)])
        counts = batch + counts if counts.size else batch
    return Accuracy.of_classes(*counts.tolist())
