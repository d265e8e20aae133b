"""The INT8 ONNX model of an exported network, and how it was made."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import NDArray

from nas.deploy.interface import INPUT
from nas.errors import UserError, unknown
from nas.quantization import (
    CALIBRATIONS,
    SCHEMES,
    Calibrated,
    Mixed,
    choose_calibration,
    fewest_in_float,
)
from nas.quantization.sessions import open_session, outputs

if TYPE_CHECKING:
    import onnx
    from torch import Tensor

FloatArray = NDArray[np.float32]
Images = Iterable[tuple["Tensor", "Tensor"]]
"""Batches of normalised images (N, C, H, W) and labels (N,)."""

AUTO = "auto"
"""The calibration that adds the least noise, in place of a name."""

_BATCH = 16  # a calibration may hold every activation of one batch in memory
_RANKING = 8  # batches that rank layers
_PROPERTY = "int8"


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Int8:
    """How INT8 files are written.

    Attributes:
        target: One of ``nas.quantization.SCHEMES``.
        calibration: One of ``nas.quantization.CALIBRATIONS``, or ``AUTO``; of ONNX files.
        largest_loss: Accuracy, 0 to 1, that an ONNX file may lose; layers stay in float until it does not
            lose more. ``None`` leaves none in float.
        judging: Returns the images that the loss is counted on, neither calibration nor test images.
    """

    target: str
    calibration: str = CALIBRATIONS[0]
    largest_loss: float | None = None
    judging: Callable[[], Images] = tuple

    def __post_init__(self) -> None:
        if self.target not in SCHEMES:
            raise unknown("INT8 target", self.target, SCHEMES)
        if self.calibration not in (names := (*CALIBRATIONS, AUTO)):
            raise unknown("calibration", self.calibration, names)


def quantise_network(
    model: onnx.ModelProto, images: FloatArray, *, how: Int8, batch: int | None
) -> onnx.ModelProto:
    """The INT8 version of an exported network. Its metadata hold how it was made.

    Args:
        model: The network in FP32 ONNX.
        images: Normalised calibration images (N, C, H, W).
        how: Target, calibration, and the loss allowed.
        batch: Images of one inference; ``None`` for any number.

    Raises:
        UserError: If there are no images, or all of them are one constant.
    """
    if not images.size or images.min() == images.max():
        problem = "no images" if not images.size else "only images of a single value"
        raise UserError(f"{problem} to calibrate INT8 on; give training images")
    scheme, batches = SCHEMES[how.target], _batches(images, batch)
    method = how.calibration
    if method == AUTO:
        method = choose_calibration(model, batches, scheme=scheme)
    calibrated = Calibrated.of(model, batches, scheme=scheme, method=method)
    if how.largest_loss is None:
        return _with_facts(calibrated.insert(), how, method)
    mixed = fewest_in_float(
        model,
        calibrated.insert,
        outputs=lambda candidate: outputs(candidate, batches[:_RANKING]),
        loss=_loss(model, how.judging, batch=batch),
        largest_loss=how.largest_loss,
    )
    return _with_facts(mixed.model, how, method, mixed)


def _batches(images: FloatArray, size: int | None) -> list[dict[str, FloatArray]]:
    """The images in batches of ``size``, the last one filled with its last image."""
    step = size or _BATCH
    parts = [images[start : start + step] for start in range(0, len(images), step)]
    if size is not None:
        parts[-1] = np.concatenate([parts[-1], np.repeat(parts[-1][-1:], size - len(parts[-1]), axis=0)])
    return [{INPUT: part} for part in parts]


def _loss(
    model: onnx.ModelProto, judging: Callable[[], Images], *, batch: int | None
) -> Callable[[onnx.ModelProto], float]:
    """Returns a function of an INT8 model: the accuracy that it loses against ``model``, 0 to 1."""
    exact = _correct(model, judging(), batch=batch)
    if not exact.size:
        raise UserError("no images to count the loss of INT8 on; give search-validation images")
    return lambda quantised: float(exact.mean() - _correct(quantised, judging(), batch=batch).mean())


def _correct(model: onnx.ModelProto, images: Images, *, batch: int | None) -> NDArray[np.bool_]:
    """For each image, whether the model finds its class."""
    session = open_session(model)
    right: list[NDArray[np.bool_]] = [np.zeros(0, np.bool_)]
    for x, y in images:
        parts = _batches(x.cpu().float().numpy(), batch)
        answers = np.concatenate([session.run(None, part)[0].argmax(1) for part in parts])
        right.append(answers[: len(y)] == y.cpu().numpy())
    return np.concatenate(right)


def _with_facts(
    quantised: onnx.ModelProto, how: Int8, method: str, mixed: Mixed | None = None
) -> onnx.ModelProto:
    facts: dict[str, Any] = {"target": how.target, "calibration": method}
    if mixed is not None:
        facts |= {
            "loss": round(mixed.loss, 5),
            "in_float": {layer.name: round(layer.macs / mixed.macs, 5) for layer in mixed.in_float},
            "layers": mixed.layers,
        }
    prop = quantised.metadata_props.add()
    prop.key, prop.value = _PROPERTY, json.dumps(facts)
    return quantised


def layers_in_float(model: onnx.ModelProto) -> str:
    """The layers of an INT8 file that are in float, in words; empty for none."""
    props: Mapping[str, str] = {item.key: item.value for item in model.metadata_props}
    facts = json.loads(props.get(_PROPERTY, "{}"))
    shares = facts.get("in_float")
    if not shares:
        return ""
    return (
        f"{len(shares)} of {facts['layers']} layers in float, {sum(shares.values()):.0%} of the "
        "multiply-accumulates"
    )
