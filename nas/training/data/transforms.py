"""Random changes by torchvision's transforms.

They draw from PyTorch's generator of the host. Here it starts from seeds that were drawn when the pass began,
so that a change depends neither on the batches nor on the changes before it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from nas.errors import UserError
from nas.training.data.augment import Augment


def draw_seeds(*shape: int, rng: torch.Generator) -> Tensor:
    """Seeds for :func:`seeded`, int64 of the given shape, on the host."""
    return torch.randint(2**62, shape, generator=rng, device=rng.device).cpu()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Lets PyTorch's generator of the host start from ``seed``; afterwards it has its earlier state."""
    generator = torch.default_generator
    state = generator.get_state()
    generator.manual_seed(seed)
    try:
        yield
    finally:
        generator.set_state(state)


def rand_augmented(x: Tensor, augment: Augment, seeds: Tensor) -> Tensor:
    """Applies RandAugment (Cubuk et al. 2020) to images (N, C, H, W) of 0..255, each with its own seed.

    Returns:
        uint8, the type on which all of its operations are defined.
    """
    from torchvision.transforms import InterpolationMode, v2

    transform = v2.RandAugment(
        augment.rand_augment, augment.rand_magnitude, interpolation=InterpolationMode.BILINEAR
    )
    whole = x if x.dtype == torch.uint8 else x.round().clamp(0, 255).to(torch.uint8)
    return _each(transform, whole, seeds)


def erased(x: Tensor, augment: Augment, seeds: Tensor) -> Tensor:
    """Erases a rectangle of a random share of normalised images (N, C, H, W) (Zhong et al. 2020).

    Erased pixels are 0, the mean colour.
    """
    from torchvision.transforms import v2

    return _each(v2.RandomErasing(augment.erase), x, seeds)


def _each(transform: Callable[[Tensor], Tensor], x: Tensor, seeds: Tensor) -> Tensor:
    images = []
    for image, seed in zip(x, seeds.tolist(), strict=True):
        with seeded(seed):
            images.append(transform(image))
    return torch.stack(images)


@final
@dataclass(frozen=True, kw_only=True)
class Mix:
    """Blends each image of a batch with another one, and their labels alike.

    Attributes:
        mixup: α of the Beta distribution from which mixup draws a batch's share of the other image (Zhang et
            al. 2018); 0 turns it off.
        cutmix: The same for the area that cutmix takes from the other image (Yun et al. 2019). With both,
            each batch gets one of them, with equal probability.
    """

    mixup: float = 0.0
    cutmix: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("mixup", self.mixup), ("cutmix", self.cutmix)):
            if not 0 <= value < math.inf:
                raise UserError(f"{name} is {value}; give 0 for none, or a positive alpha, e.g. 0.2")

    @property
    def is_on(self) -> bool:
        return bool(self.mixup or self.cutmix)

    def mixed(
        self,
        batches: Iterable[tuple[Tensor, Tensor]],
        *,
        classes: int,
        steps: int,
        rng: torch.Generator,
        first: int = 0,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Blends the batches of a pass.

        Args:
            batches: The batches from the ``first`` on, with labels (N,).
            classes: Number of classes.
            steps: Number of batches of the whole pass.
            rng: Determines what is blended; all is drawn at the start of the pass.
            first: The first batch.

        Yields:
            Images (N, C, H, W), and the labels' shares (N, classes).
        """
        from torchvision.transforms import v2

        forms = ((v2.MixUp, self.mixup), (v2.CutMix, self.cutmix))
        choices = [form(alpha=float(alpha), num_classes=classes) for form, alpha in forms if alpha]
        seeds = draw_seeds(steps, rng=rng)[first:].tolist()
        for (x, y), seed in zip(batches, seeds, strict=True):
            with seeded(seed):
                blend = choices[int(torch.randint(len(choices), ()))]
                mixed, shares = blend(x, y)
            yield mixed, shares


UNMIXED = Mix()
