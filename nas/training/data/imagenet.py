"""``imagenet``: ILSVRC 2012 as ``root/train/CLASS/*`` and ``root/val/CLASS/*``; it stays on disk.

Source: Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, 2015. ``val/`` is the test set,
since the labels of the true one are not public; the search-validation set is taken from ``train/``.
"""

from __future__ import annotations

from nas.errors import UserError
from nas.training.data.image_folder import file_images, find_root, list_classes, list_images
from nas.training.data.registry import Request, Source, register

CROP_FRACTION = 0.875  # the centre 224 of 256 pixels, the custom since AlexNet


@register("imagenet", files=list_images)
def load_imagenet(request: Request) -> Source:
    """Lists the files of an unpacked ImageNet."""
    root = find_root(request.root, name="imagenet")
    if not (root / "val").is_dir():
        raise UserError(
            f"data.root={root} has no val/; unpack the validation images there, sorted into class folders"
        )
    train = list_classes(root / "train")
    test = list_classes(root / "val", known=tuple(train))
    channels = request.channels or 3
    return Source(
        train=file_images(train, tuple(train), channels=channels, crop_fraction=CROP_FRACTION),
        test=file_images(test, tuple(train), channels=channels, crop_fraction=CROP_FRACTION),
        classes=tuple(train),
        fits_memory=False,
    )
