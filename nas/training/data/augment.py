"""The settings of augmentation; shifts, flips and crops of whole batches, without loops over images."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from nas.errors import UserError

LARGEST_MAGNITUDE = 30  # of RandAugment (Cubuk et al., 2020, section 4)
ASPECT_RATIOS = (3 / 4, 4 / 3)  # of a random resized crop, as in Inception (Szegedy et al., 2015)


@dataclass(frozen=True, kw_only=True)
class Augment:
    """The augmentation of training images.

    Attributes:
        flip: Mirrors a random half of the images left to right. Turn it off if left and right differ, as in
            digits.
        crop_padding: Pads each side with zeros by this fraction of the image's side and crops at a random
            offset: 0.125 is the usual 4 pixels of a 32-pixel image. 0 turns it off.
        resized_crop: Smallest and largest fraction of the area of a random resized crop, e.g. ``(0.08, 1.0)``
            for ImageNet. None turns it off.
        rand_augment: Number of random operations per image (RandAugment), such as rotation or contrast; 0
            turns it off.
        rand_magnitude: Strength of these operations, 0 to 30.
        erase: Share of the images in which a random rectangle is erased; 0 turns it off.
    """

    flip: bool = True
    crop_padding: float = 0.125
    resized_crop: tuple[float, float] | None = None
    rand_augment: int = 0
    rand_magnitude: int = 9
    erase: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.crop_padding < 1:
            raise UserError(
                f"crop_padding is {self.crop_padding}; give a fraction of the side, 0 <= crop_padding < 1"
            )
        if self.resized_crop is not None and not 0 < self.resized_crop[0] <= self.resized_crop[1] <= 1:
            raise UserError(
                f"resized_crop is {self.resized_crop}; "
                "give the smallest and largest fraction of the area, 0 < smallest <= largest <= 1"
            )
        if self.rand_augment < 0:
            raise UserError(f"rand_augment is {self.rand_augment}; give a number of operations, 0 for none")
        if not 0 <= self.rand_magnitude <= LARGEST_MAGNITUDE:
            raise UserError(f"rand_magnitude is {self.rand_magnitude}; give 0 to {LARGEST_MAGNITUDE}")
        if not 0 <= self.erase <= 1:
            raise UserError(f"erase is {self.erase}; give a share of the images, 0 to 1")


def resize(x: Tensor, resolution: int) -> Tensor:
    """Resizes floating-point images (N, C, H, W) to (N, C, resolution, resolution).

    Bilinear with antialiasing. Returns ``x`` itself if it has the size.
    """
    if x.shape[-2:] == (resolution, resolution):
        return x
    return functional.interpolate(x, size=(resolution, resolution), mode="bilinear", antialias=True)


def flip(x: Tensor, which: Tensor) -> Tensor:
    """Mirrors the images of ``x`` (N, C, H, W) left to right where ``which`` (N,) is true."""
    return torch.where(which[:, None, None, None], x.flip(-1), x)


def shift(x: Tensor, offsets: Tensor, *, padding: int) -> Tensor:
    """Pads ``x`` (N, C, H, W) with zeros and crops it back to its size.

    Args:
        x: The images.
        offsets: The crops' upper left corners (N, 2) as (row, column) in the padded image, 0 to 2 · padding.
            An offset equal to the padding leaves the image unchanged.
        padding: Pixels on each of the four sides.
    """
    count, _, height, width = x.shape
    padded = functional.pad(x, (padding, padding, padding, padding))
    rows = offsets[:, 0, None] + torch.arange(height, device=x.device)
    columns = offsets[:, 1, None] + torch.arange(width, device=x.device)
    image = torch.arange(count, device=x.device)[:, None, None]
    # The slice between the indices puts the channels last, the layout of training.
    return padded[image, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def draw_crops(count: int, *, area: tuple[float, float], rng: torch.Generator) -> Tensor:
    """Draws random resized crops for ``count`` images of any size.

    Returns:
        (count, 4): the fraction of the area, the logarithm of width / height, and the position (horizontal,
        vertical) as a fraction of its range.
    """
    uniform = torch.rand(count, 4, generator=rng, device=rng.device)
    low, high = (math.log(ratio) for ratio in ASPECT_RATIOS)
    scale = torch.tensor([area[1] - area[0], high - low, 1.0, 1.0], device=rng.device)
    return uniform * scale + torch.tensor([area[0], low, 0.0, 0.0], device=rng.device)


def crop_boxes(crops: Tensor, *, aspect: Tensor | float = 1.0) -> Tensor:
    """Turns drawn crops (N, 4) into boxes (N, 4) of (left, top, width, height) as fractions of the image.

    A side that does not fit is cut to the image (torchvision draws again).

    Args:
        crops: The result of :func:`draw_crops`.
        aspect: Width / height of the image (or of each image).
    """
    area, log_ratio, across, down = crops.unbind(-1)
    ratio = log_ratio.exp() / aspect
    width = (area * ratio).sqrt().clamp(max=1)
    height = (area / ratio).sqrt().clamp(max=1)
    return torch.stack((across * (1 - width), down * (1 - height), width, height), dim=-1)


def resized_crop(x: Tensor, boxes: Tensor) -> Tensor:
    """Cuts ``boxes`` (N, 4) out of ``x`` (N, C, H, W) and stretches each to (C, H, W); float32."""
    left, top, width, height = boxes.unbind(-1)
    zero = torch.zeros_like(left)
    theta = torch.stack((width, zero, 2 * left + width - 1, zero, height, 2 * top + height - 1), dim=-1)
    grid = functional.affine_grid(theta.view(-1, 2, 3), list(x.shape), align_corners=False)
    return functional.grid_sample(
        x.float(), grid, mode="bilinear", padding_mode="border", align_corners=False
    )


def draw_changes(count: int, *, rng: torch.Generator) -> Tensor:
    """Draws the changes of :func:`augmented` for ``count`` images: (count, 3), uniform in 0 to 1.

    They are drawn beforehand, so that they depend neither on the batches nor on the reading process.
    """
    return torch.rand(count, 3, generator=rng, device=rng.device)


def augmented(x: Tensor, augment: Augment, changes: Tensor) -> Tensor:
    """Shifts and flips images (N, C, H, W). Resized crops are cut on reading.

    Args:
        x: The images.
        augment: The changes to make.
        changes: The result of :func:`draw_changes` (N, 3): row and column of the shift, and whether an image
            is mirrored.
    """
    changes = changes.to(x.device, non_blocking=True)
    padding = round(augment.crop_padding * x.shape[-1])
    if padding:
        x = shift(x, (changes[:, :2] * (2 * padding + 1)).long(), padding=padding)
    return flip(x, changes[:, 2] < 0.5) if augment.flip else x
