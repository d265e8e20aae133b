"""``digits``: 1,797 real handwritten digits, 8 by 8 pixels, shipped with scikit-learn.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI repository, 1998.
"""

from __future__ import annotations

import importlib

import numpy as np
import torch

from nas.training.data.images import MemoryImages
from nas.training.data.pixels import with_channels
from nas.training.data.registry import Request, Source, nothing, register


@register("digits", files=nothing)
def load_digits(request: Request) -> Source:
    """Reads the digits; grey levels 0..16 become 0..255."""
    digits = importlib.import_module("sklearn.datasets").load_digits()
    pixels = torch.from_numpy(np.rint(digits.images * (255 / 16)).astype(np.uint8))[:, None]
    labels = torch.from_numpy(digits.target.astype(np.int64))
    images = MemoryImages(labels=labels, pixels=with_channels(pixels, request.channels or 1))
    return Source(train=images, classes=tuple(str(digit) for digit in range(10)))
