"""Parity: compares the outputs of an artefact with those of its trained network."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

import numpy as np
from numpy.typing import NDArray

from nas.deploy.formats import find_format, open_artefact
from nas.errors import UserError
from nas.statistics import wilson

if TYPE_CHECKING:
    from torch import Tensor

    from nas.nn import StaticNetwork

FloatArray = NDArray[np.float32]


class ParityError(UserError):
    """An artefact computes something else than its trained network."""


@final
@dataclass(frozen=True, kw_only=True)
class Parity:
    """The difference between an artefact and its trained network.

    Attributes:
        largest_relative_error: Largest difference of two logits, relative to the largest logit.
        top1_agreement: Share of the images with the same top-1 class.
        images: Number of images compared.
        sqnr_db: Power of the logits relative to the power of their error, in dB; ``None`` if there is no
            error, or in older manifests.
    """

    largest_relative_error: float
    top1_agreement: float
    images: int
    sqnr_db: float | None = None


def measure_parity(model: StaticNetwork, path: Path, images: Tensor, *, format: str = "onnx") -> Parity:
    """Compares an artefact with its network on ``images`` (N, C, H, W), normalised."""
    import torch

    assert not model.training, "compare a network in evaluation mode: model.eval()"
    assert len(images), "parity needs images"
    device = next(model.parameters()).device
    with torch.no_grad():
        expected = model(images.to(device)).float().cpu().numpy()
    outputs = open_artefact(path, format=format)(images.cpu().float().numpy())
    if outputs.shape != expected.shape:
        raise ParityError(
            f"{path} gives outputs of shape {outputs.shape}, the network {expected.shape}: it holds another "
            "network; export it again: nas export run_dir=…"
        )
    scale = float(np.abs(expected).max())
    error = float("inf") if scale == 0 else float(np.abs(outputs - expected).max()) / scale
    agreement = float((outputs.argmax(1) == expected.argmax(1)).mean())
    return Parity(
        largest_relative_error=error,
        top1_agreement=agreement,
        images=len(expected),
        sqnr_db=_sqnr_db(outputs, expected),
    )


def _most_agreement(parity: Parity) -> float:
    """The upper end of the agreement's 95 % interval: of a few images, chance may pick the hard ones."""
    return wilson(parity.top1_agreement * parity.images, parity.images)[1]


def _sqnr_db(outputs: FloatArray, expected: FloatArray) -> float | None:
    noise = float(np.square(outputs.astype(np.float64) - expected).sum())
    signal = float(np.square(expected.astype(np.float64)).sum())
    return 10 * math.log10(signal / noise) if 0 < noise < math.inf and signal > 0 else None


def check_parity(
    model: StaticNetwork, path: Path, images: Tensor, *, tolerance: float | None = None, format: str = "onnx"
) -> Parity:
    """Compares an artefact with its network, and fails if they differ.

    Args:
        model: The network, in evaluation mode.
        path: The artefact.
        images: Real, normalised images (N, C, H, W); on noise, a network may predict one class for all.
        tolerance: Largest error allowed for formats in FP32, relative to the largest output; by default, the
            format's own. For formats that round, the top-1 agreement counts instead.
        format: The artefact's format.

    Raises:
        ParityError: If the error is too large or not a number, or too few images get the same class.
        CannotRunError: If this machine has no runtime for the artefact.
        UserError: If the artefact is missing or damaged.
    """
    kind = find_format(format)
    limit = kind.TOLERANCE if tolerance is None or kind.PRECISION != "fp32" else tolerance
    parity = measure_parity(model, path, images, format=format)
    if kind.AGREEMENT is not None:
        if _most_agreement(parity) < kind.AGREEMENT:
            raise ParityError(
                f"{path} answers otherwise than the trained network: {parity.top1_agreement:.1%} of "
                f"{parity.images} images get the same class ({kind.AGREEMENT:.0%} are needed). "
                "export.int8_loss=1 keeps the layers of an ONNX file in float that rounding harms most; a "
                "network that is hardly trained has to be trained for longer"
            )
        return parity
    if not parity.largest_relative_error <= limit:
        raise ParityError(
            f"{path} does not compute what the trained network computes: over {parity.images} images its "
            f"outputs differ by up to {parity.largest_relative_error:.2g} of the largest output "
            f"({limit:g} is allowed), and {parity.top1_agreement:.1%} of the images get the same class. "
            "Export it again from these weights: nas export run_dir=…"
        )
    return parity
