"""What most published weights share: ImageNet's classes and the usual preparation of its images."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache

from nas.pretrained.base import Preprocessing

PREPROCESSING = Preprocessing(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), resolution=224)

_FOLDERS = "385e0240499426c022b773be1ae4da780f057b89c9694c7f47199f62746b6edd"
"""SHA-256 of the names of ImageNet's 1,000 class folders (n01440764, …), in order, one a line."""


@cache
def class_names() -> tuple[str, ...]:
    """The 1,000 classes of ILSVRC 2012 in English, in the order of their folders; from torchvision."""
    from torchvision.models import MobileNet_V3_Large_Weights

    return tuple(MobileNet_V3_Large_Weights.IMAGENET1K_V1.meta["categories"])


def same_classes(first: Sequence[str], second: Sequence[str]) -> bool:
    """Whether two lists are the same classes in the same order; ImageNet's may be folders or words."""
    return list(first) == list(second) or (is_imagenet(first) and is_imagenet(second))


def is_imagenet(classes: Sequence[str]) -> bool:
    """Whether a list holds ImageNet's 1,000 classes in the usual order."""
    if len(classes) != 1000:
        return False
    digest = hashlib.sha256("\n".join(classes).encode()).hexdigest()
    return digest == _FOLDERS or tuple(classes) == class_names()
