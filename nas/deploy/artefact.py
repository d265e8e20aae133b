"""Writes a network in every configured format, and evaluates the files."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nas.blocks import BlockFormError
from nas.deploy.formats import (
    CannotRunError,
    ConverterError,
    Format,
    Source,
    find_format,
    open_artefact,
)
from nas.deploy.interface import OPSET, Input
from nas.deploy.manifest import Artefact
from nas.deploy.onnx import export_onnx, read_metadata
from nas.deploy.operators import in_words
from nas.deploy.parity import Parity, check_parity
from nas.errors import UserError
from nas.files import content_bytes, content_sha256, remove, require_room

if TYPE_CHECKING:
    from torch import Tensor

    from nas.deploy.quantised import Int8
    from nas.network import NetworkSpec
    from nas.nn import StaticNetwork
    from nas.training.data import Normalization
    from nas.training.evaluation import Accuracy

Skip = Callable[[str, ConverterError], None]


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
    batch: int | None = None,
    crop: float = 1.0,
    run: str = "",
    store_size: int | None = None,
    origin: Mapping[str, str] | None = None,
    tolerance: float | None = None,
    calibration: Tensor | None = None,
    int8: Int8 | None = None,
    skip: Skip | None = None,
    logs: Path | None = None,
    rejected: Path | None = None,
    install: bool = False,
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
        batch: Images of one inference; ``None`` for any number.
        crop: Side of the centre square that the network was evaluated on, relative to the shorter side.
        run: Name of the run that trained the network.
        store_size: Side in pixels at which images are stored before they are resized; ``None`` if not.
        origin: The source of the initial weights; see ``Metadata``.
        tolerance: Largest error allowed for formats in FP32, relative to the largest output; by default, the
            format's own.
        calibration: Normalised training images (N, C, H, W), for formats that quantise; by default,
            ``images``.
        int8: How INT8 files are written; by default, for this machine.
        skip: Called with the file's name and the error if a converter fails, and the format is left out;
            ``None`` raises the error.
        logs: Folder for the output of converters; by default, ``logs`` in ``folder``.
        rejected: Folder for files that fail the parity check; by default, ``folder``.
        install: Whether converters that need an environment of their own may install it.

    Raises:
        UserError: If a format is unknown, its packages are missing, it cannot be written, the calibration
            images are all alike, or parity fails.
        ConverterError: If an operation has no form in ONNX, or, without ``skip``, in a format.
    """
    from nas.deploy.quantised import Int8
    from nas.quantization import check_images, target_here

    targets = [find_format(name) for name in formats]  # all names are checked before any work
    logs = logs or folder / "logs"
    for target in targets:
        target.require()
        target.prepare(install=install, logs=logs)
    ranges_of = images if calibration is None else calibration
    if any(target.CALIBRATED for target in targets):
        check_images(ranges_of.cpu().float().numpy())
    base = folder / f"{file_stem(name)}.onnx"
    with _naming_blocks(model.network, file=base.name):
        export_onnx(
            model,
            base,
            classes=classes,
            normalize=normalize,
            opset=opset,
            batch=batch,
            crop=crop,
            run=run,
            store_size=store_size,
            origin=origin,
        )
    takes = read_metadata(base).input(batch=batch)
    source = Source(
        model=model,
        onnx=base,
        calibration=ranges_of.cpu().float().numpy(),
        int8=int8 or Int8(target=target_here()),
        batch=batch,
        logs=logs,
        rejected=rejected or folder,
    )
    artefacts = []
    for target in targets:
        try:
            written = _write(target, source, images, name=name, takes=takes, tolerance=tolerance)
            artefacts.append(replace(written, origin=dict(origin or {})))
        except ConverterError as error:
            if skip is None:
                raise
            skip(file_stem(name) + target.SUFFIX, error)
    if base.name not in {artefact.file for artefact in artefacts}:
        base.unlink()  # keep the configured formats only
    return tuple(artefacts)


def _write(
    format: Format, source: Source, images: Tensor, *, name: str, takes: Input, tolerance: float | None
) -> Artefact:
    path = source.onnx.with_name(file_stem(name) + format.SUFFIX)
    with _naming_blocks(source.model.network, file=path.name):
        format.write(source, path)
        if not content_bytes(path):
            remove(path)
            raise ConverterError("the converter wrote nothing, and reported no error")
    parity, note = _parity(format, source, path, images, tolerance=tolerance)
    return Artefact(
        name=name,
        format=format.NAME,
        file=path.name,
        sha256=content_sha256(path),
        size_bytes=content_bytes(path),
        parity=parity,
        versions=format.versions(),
        note=note,
        input=takes,
    )


@contextmanager
def _naming_blocks(network: NetworkSpec, *, file: str) -> Iterator[None]:
    """Names the file that is not written, and the blocks whose operation is unknown.

    Raises:
        ConverterError: If the body fails to convert, or an operation has no form.
    """
    try:
        yield
    except BlockFormError as error:
        fault = ConverterError(error.reason, operation=error.operation)
    except ConverterError as error:
        fault = error
    else:
        return
    raise ConverterError(
        f"{file} was not written: {fault}{in_words(network, fault)}",
        output=fault.output,
        operation=fault.operation,
    )


def _parity(
    format: Format, source: Source, path: Path, images: Tensor, *, tolerance: float | None
) -> tuple[Parity | None, str]:
    """Returns the parity of an artefact and the note for its users; a wrong file is put aside."""
    try:
        parity = check_parity(source.model, path, images, tolerance=tolerance, format=format.NAME)
    except CannotRunError as error:
        return None, f"could not be run here: {error}"
    except UserError as error:
        require_room(path.parent)  # a file that was cut off
        aside = _put_aside(path, source.rejected)
        raise type(error)(f"{error}. The file is kept as {aside}") from None
    return parity, format.note(path)


def _put_aside(path: Path, folder: Path) -> Path:
    """Moves a wrong artefact to a name that no runtime takes for a good one."""
    aside = folder / f"{path.name}.rejected"
    folder.mkdir(parents=True, exist_ok=True)
    remove(aside)
    shutil.move(path, aside)
    return aside


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
