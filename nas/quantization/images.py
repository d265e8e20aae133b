"""Checks of calibration images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nas.errors import UserError

ENOUGH = 32
"""So many calibration images that ranges hardly depend on which ones they are."""


def check_images(images: NDArray[np.float32]) -> None:
    """Checks that calibration images (N, C, H, W) differ, so that they show the range of activations.

    Raises:
        UserError: If there are none, all pixels are equal, or all images are equal.
    """
    needed = f"INT8 needs different training images, better {ENOUGH} or more"
    if not len(images):
        raise UserError(f"there are no images to calibrate INT8 on; {needed}")
    if (images == images.flat[0]).all():
        raise UserError(f"all pixels of the {len(images)} calibration images are equal; {needed}")
    if len(images) > 1 and (images == images[0]).all():
        raise UserError(f"all {len(images)} calibration images are equal; {needed}")
