"""Laws of the changes that torchvision makes."""

from __future__ import annotations

import pytest
import torch

from nas.errors import UserError
from nas.training.data import Augment, Mix
from nas.training.data.transforms import draw_seeds, erased, rand_augmented, seeded

CLASSES = 3


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int = 6, *, channels: int = 3) -> torch.Tensor:
    return torch.randint(256, (count, channels, 8, 8), generator=generator(), dtype=torch.uint8)


def test_seeds_leave_the_generator_as_it_was() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with seeded(1):
        first = torch.rand(2)
    assert torch.equal(torch.rand(3), expected)
    with seeded(1):
        assert torch.equal(torch.rand(2), first)


@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_is_changed_by_its_own_seed_alone(channels: int) -> None:
    x, augment = images(channels=channels), Augment(rand_augment=2, rand_magnitude=20)
    seeds = draw_seeds(len(x), rng=generator())
    changed = rand_augmented(x, augment, seeds)
    assert changed.dtype == torch.uint8 and changed.shape == x.shape
    assert (changed != x).flatten(1).any(1).sum() >= 3
    assert torch.equal(rand_augmented(x[2:4], augment, seeds[2:4]), changed[2:4])
    assert not torch.equal(rand_augmented(x, augment, seeds + 1), changed)


def test_fractions_of_cropped_images_are_rounded() -> None:
    x, augment = images(), Augment(rand_augment=2)
    seeds = draw_seeds(len(x), rng=generator())
    assert torch.equal(rand_augmented(x.float() + 0.3, augment, seeds), rand_augmented(x, augment, seeds))


def test_the_given_share_of_the_images_loses_a_rectangle() -> None:
    x = torch.ones(400, 1, 8, 8)
    holes = erased(x, Augment(erase=0.25), draw_seeds(len(x), rng=generator())) == 0
    count = int(holes.flatten(1).any(1).sum())
    assert count == pytest.approx(100, abs=26)  # three standard deviations
    for hole in holes[holes.flatten(1).any(1)][:, 0]:
        rows, columns = hole.any(1).sum(), hole.any(0).sum()
        assert hole.sum() == rows * columns, "a whole rectangle"


def mixed(mix: Mix, *, first: int = 0) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Batches of two images; an image shows its class in all pixels."""
    labels = torch.arange(12).view(6, 2) % CLASSES
    batches = [(y.float().view(2, 1, 1, 1).expand(2, 1, 8, 8), y) for y in labels[first:]]
    return list(mix.mixed(batches, classes=CLASSES, steps=6, rng=generator(), first=first))


@pytest.mark.parametrize("mix", [Mix(mixup=0.5), Mix(cutmix=1), Mix(mixup=0.5, cutmix=1)])
def test_labels_are_blended_like_the_images(mix: Mix) -> None:
    whole = mixed(mix)
    for x, shares in whole:
        torch.testing.assert_close(shares.sum(1), torch.ones(2))
        torch.testing.assert_close(x.mean((1, 2, 3)), shares @ torch.arange(CLASSES).float())
    assert any(0.01 < float(shares.max()) < 0.99 for _, shares in whole)
    for (x, y), (x_again, y_again) in zip(whole[2:], mixed(mix, first=2), strict=True):
        assert torch.equal(x, x_again) and torch.equal(y, y_again), "a pass can be entered anywhere"


def test_cutmix_copies_pixels_and_mixup_blends_them() -> None:
    cut = torch.cat([x for x, _ in mixed(Mix(cutmix=1))])
    assert torch.equal(cut, cut.round())
    blended = torch.cat([x for x, _ in mixed(Mix(mixup=0.5))])
    assert not torch.equal(blended, blended.round())
    both = [bool(torch.equal(x, x.round())) for x, _ in mixed(Mix(mixup=0.5, cutmix=1))]
    assert True in both and False in both


def test_impossible_changes_are_refused() -> None:
    with pytest.raises(UserError, match="rand_augment is -1; give a number of operations, 0 for none"):
        Augment(rand_augment=-1)
    with pytest.raises(UserError, match="rand_magnitude is 31; give 0 to 30"):
        Augment(rand_magnitude=31)
    with pytest.raises(UserError, match="erase is 2; give a share of the images, 0 to 1"):
        Augment(erase=2)
    with pytest.raises(UserError, match="mixup is -1; give 0 for none, or a positive alpha"):
        Mix(mixup=-1)
    with pytest.raises(UserError, match="cutmix is inf; give 0 for none, or a positive alpha"):
        Mix(cutmix=float("inf"))
