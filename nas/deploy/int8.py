"""The accuracy of a network in INT8 without exporting it, because a search evaluates hundreds of networks.

The graph is that of the exported file, with a fixed batch. It gets its QDQ pairs from the same ``quantize``
and runs in ONNX Runtime with the rounding of the exported file. A test checks that both agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nas.deploy.interface import INPUT
from nas.deploy.lowered import write_network
from nas.quantization import quantize, target_here
from nas.quantization.sessions import open_session

if TYPE_CHECKING:
    from torch import Tensor

    from nas.nn import StaticNetwork
    from nas.training.evaluation import Accuracy

FloatArray = NDArray[np.float32]
BATCH = 64


def int8_accuracy(
    model: StaticNetwork,
    *,
    calibration: Iterable[tuple[Tensor, Tensor]],
    images: Iterable[tuple[Tensor, Tensor]],
    target: str | None = None,
    method: str = "minmax",
) -> Accuracy:
    """Evaluates the INT8 version of a network, with the arguments of :func:`int8_right_answers`."""
    from nas.training.evaluation import Accuracy

    right = int8_right_answers(model, calibration=calibration, images=images, target=target, method=method)
    return Accuracy(int(np.count_nonzero(right)), len(right))


def int8_right_answers(
    model: StaticNetwork,
    *,
    calibration: Iterable[tuple[Tensor, Tensor]],
    images: Iterable[tuple[Tensor, Tensor]],
    target: str | None = None,
    method: str = "minmax",
) -> NDArray[np.bool_]:
    """Whether the INT8 version of a network, run by ONNX Runtime on the CPU, is right on each image.

    Args:
        model: The network in evaluation mode, with calibrated BatchNorm statistics; on any device.
        calibration: Batches of training images (N, C, H, W) and labels, to calibrate the ranges.
        images: Batches of images (N, C, H, W) and labels to evaluate.
        target: One of ``nas.quantization.SCHEMES``; by default, this machine's.
        method: One of ``nas.quantization.CALIBRATIONS``.

    Raises:
        UserError: If the target or the method is unknown, or there are no calibration images.
    """
    import torch

    quantised = quantize(
        write_network(model, batch=BATCH),
        target=target or target_here(),
        batches=({INPUT: x} for x, _ in _chunks(calibration)),
        calibration=method,
    )
    session = open_session(quantised, threads=torch.get_num_threads())
    parts = [session.run(None, {INPUT: x})[0][: len(y)].argmax(1) == y for x, y in _chunks(images)]
    return np.concatenate(parts)


def _chunks(batches: Iterable[tuple[Tensor, Tensor]]) -> Iterator[tuple[FloatArray, NDArray[np.int64]]]:
    """Yields batches of exactly ``BATCH`` images, padded with the last image, and labels without padding."""
    for x, y in batches:
        pixels, labels = x.cpu().float().numpy(), y.cpu().numpy()
        for start in range(0, len(labels), BATCH):
            part = pixels[start : start + BATCH]
            filled = np.concatenate([part, np.repeat(part[-1:], BATCH - len(part), axis=0)])
            yield filled, labels[start : start + BATCH]
