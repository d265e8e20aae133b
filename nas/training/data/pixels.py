"""Converting images in memory between grey and colour."""

from __future__ import annotations

import torch
from torch import Tensor

LUMA = (299, 587, 114)  # thousandths of R, G and B: ITU-R BT.601, as in PIL's "L"


def with_channels(pixels: Tensor, channels: int) -> Tensor:
    """Converts uint8 ``pixels`` (N, C, H, W) of 1 or 3 channels to ``channels``."""
    if pixels.shape[1] == channels:
        return pixels
    if channels == 3:
        return pixels.repeat(1, 3, 1, 1)
    luma = sum(pixels[:, i : i + 1].to(torch.int32) * weight for i, weight in enumerate(LUMA))
    assert isinstance(luma, Tensor)
    return ((luma + 500) // 1000).to(torch.uint8)
