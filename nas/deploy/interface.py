"""The interface of exported files: the names of input and output, the operator set, and what a file takes."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from typing import final

INPUT = "images"
OUTPUT = "logits"
OPSET = 20
"""The version of ONNX's operator set that latency tables are measured with."""


@final
@dataclass(frozen=True, kw_only=True)
class Input:
    """The input of a file: float32 images (N, channels, resolution, resolution).

    Attributes:
        channels: 1 (grey) or 3 (RGB).
        resolution: Side in pixels.
        crop: Side of the image's centre square that is used, relative to the image's shorter side.
        store_size: Side in pixels to which the square is resized first, in whole grey levels, because the
            images of the training were stored so; ``None`` if it is resized to the resolution at once.
        mean: Mean of each channel, for pixels scaled to 0..1.
        std: Standard deviation of each channel, for pixels scaled to 0..1.
        batch: Images of one inference; ``None`` for as many as the format takes.
    """

    channels: int
    resolution: int
    crop: float
    store_size: int | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    batch: int | None = None


def package_version() -> str:
    """Returns the version of this package; empty in a source tree that is not installed."""
    try:
        return metadata.version("hwnas")
    except metadata.PackageNotFoundError:
        return ""
