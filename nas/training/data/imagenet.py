"""``imagenet``: ILSVRC 2012 as ``root/train/CLASS/*`` and ``root/val/CLASS/*``, read from disk.

Source: Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, 2015. ``val/`` is the test set,
since the labels of the true one are not public. The search-validation set is split off ``train/``.
"""

from __future__ import annotations

from nas.errors import UserError
from nas.training.data.image_folder import (
    file_images,
    find_parts,
    list_classes,
    list_images,
    listing_notes,
)
from nas.training.data.registry import Request, Source, register

PARTS = ("train", "val")
CROP_FRACTION = 0.875  # the centre 224 of 256 pixels, usual since AlexNet


@register("imagenet", files=list_images)
def load_imagenet(request: Request) -> Source:
    """Lists the files of an unpacked ImageNet."""
    parts = find_parts(request.root, name="imagenet", known=PARTS)
    if "val" not in parts:
        raise UserError(
            f"data.root={request.root} has no val/; unpack the validation images there, sorted into class "
            "folders"
        )
    train = list_classes(parts["train"])
    classes = tuple(train.images)
    test = list_classes(parts["val"], known=classes)
    channels = request.channels or 3
    return Source(
        train=file_images(train, classes, channels=channels, crop_fraction=CROP_FRACTION),
        test=file_images(test, classes, channels=channels, crop_fraction=CROP_FRACTION),
        classes=classes,
        fits_memory=False,
        notes=listing_notes(parts, [train, test], known=PARTS),
    )
