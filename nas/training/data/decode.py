"""Image files to arrays: any size, any mode."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from nas.errors import UserError

RECOGNISED_ONLY = frozenset({"EPS", "MPEG"})
"""Formats that Pillow recognises but does not decode itself."""

MODES = {1: "L", 3: "RGB"}  # channels → PIL mode
GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N", "F"})
# JPEG decoders may skip detail beyond this multiple of the size. Random crops need more of it.
DETAIL = 4

FAULTS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
"""The exceptions of codecs for damaged files, and no others: our own errors must not look like damage."""

Progress = Callable[[int, int], None]
"""Called with the number of completed images and the number of all."""

Box = tuple[float, float, float, float]
"""(left, upper, right, lower) in pixels."""


@cache
def image_suffixes() -> frozenset[str]:
    """The endings of the files that Pillow reads here, in lower case, e.g. ``.jpg``."""
    Image.init()  # registers all formats, not just the common ones
    readable = {name for name, (opener, _) in Image.OPEN.items() if not _is_stub(opener)} - RECOGNISED_ONLY
    return frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in readable)


def _is_stub(opener: object) -> bool:
    """Whether a format needs an external decoder."""
    return isinstance(opener, type) and issubclass(opener, ImageFile.StubImageFile)


def decode(path: str, *, channels: int, size: int, box: Callable[[int, int], Box]) -> NDArray[np.uint8]:
    """Reads an image, crops a box and resizes it, antialiased.

    Args:
        path: The file.
        channels: 1 (luma) or 3 (RGB). Transparent images get a white background; 16-bit greys become 8 bits.
        size: Side of the result in pixels.
        box: From the image's width and height to the box in pixels.

    Returns:
        Pixels (channels, size, size).

    Raises:
        UserError: If the file is damaged or not an image.
    """
    try:
        with Image.open(path) as opened:
            opened.draft(None, (DETAIL * size, DETAIL * size))
            image = _flat(ImageOps.exif_transpose(opened)).convert(MODES[channels])
        image = image.resize((size, size), Image.Resampling.BILINEAR, box=box(*image.size), reducing_gap=2.0)
    except FAULTS as error:
        raise _broken(path, error) from None
    pixels = np.asarray(image, dtype=np.uint8)
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def center_box(width: int, height: int, *, fraction: float = 1.0) -> Box:
    """The centred square with a side of ``fraction`` of the shorter side.

    Resizing it to S is the usual "resize the shorter side to S / fraction, crop the centre S".
    """
    side = fraction * min(width, height)
    left, upper = (width - side) / 2, (height - side) / 2
    return (left, upper, left + side, upper + side)


def examine(paths: Sequence[str], *, limit: int = 256, skip_damaged: bool = False) -> tuple[int, int]:
    """Reads the headers of up to ``limit`` evenly spaced files.

    Args:
        paths: Image files, one or more.
        limit: The largest number of files to read.
        skip_damaged: Whether files whose header cannot be read are left out.

    Returns:
        The median of the shorter sides in pixels, and 1 if all of them are grey, else 3.

    Raises:
        UserError: If a header cannot be read.
    """
    step = max(1, len(paths) // limit)
    headers, fault = [], None
    for path in paths[::step][:limit]:
        try:
            headers.append(_header(path))
        except UserError as error:
            fault = fault or error
    if fault and not (headers and skip_damaged):
        raise fault
    sides = sorted(side for side, _ in headers)
    return sides[len(sides) // 2], 3 if any(colour for _, colour in headers) else 1


def _header(path: str) -> tuple[int, bool]:
    """The shorter side in pixels, and whether the image has colour."""
    try:
        with Image.open(path) as image:
            # A palette counts as colour: one of greys becomes three equal channels.
            return min(image.size), image.mode not in GREY_MODES
    except FAULTS as error:
        raise _broken(path, error) from None


def _flat(image: Image.Image) -> Image.Image:
    """Removes transparency and more than 8 bits, which ``convert`` handles wrongly."""
    if image.mode.startswith("I"):
        deep: NDArray[Any] = np.asarray(image)
        return Image.fromarray((deep.clip(0, 65535) // 257).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers of unknown scale")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return image


def _broken(path: str, error: Exception) -> UserError:
    if not Path(path).exists():
        return UserError(f"image {path} has disappeared; put it back, or start again without it")
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    if isinstance(error, UnidentifiedImageError):
        reason = "it is in no known image format"
    return UserError(
        f"image {path} cannot be read ({reason}); remove it or replace it by a sound copy, or leave out all "
        "damaged images with data.skip_damaged=true"
    )
