"""Laws of the augmentations."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from nas.errors import UserError
from nas.training.data import Augment, resize
from nas.training.data.augment import (
    augmented,
    crop_boxes,
    draw_changes,
    draw_crops,
    flip,
    resized_crop,
    shift,
)

SEEDS = st.integers(0, 2**32)


def images(seed: int, *, count: int = 4, side: int = 9, channels: int = 3) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(256, (count, channels, side, side), generator=rng, dtype=torch.uint8)


@settings(deadline=None)
@given(seed=SEEDS, which=st.lists(st.booleans(), min_size=4, max_size=4))
def test_flip_is_its_own_inverse_and_touches_only_the_chosen(seed: int, which: list[bool]) -> None:
    x, chosen = images(seed), torch.tensor(which)
    flipped = flip(x, chosen)
    assert torch.equal(flip(flipped, chosen), x)
    assert torch.equal(flipped[~chosen], x[~chosen])
    assert torch.equal(flipped[chosen], x[chosen].flip(-1))


@settings(deadline=None)
@given(seed=SEEDS, padding=st.integers(0, 5))
def test_shift_by_the_padding_keeps_the_image(seed: int, padding: int) -> None:
    x = images(seed)
    assert torch.equal(shift(x, torch.full((4, 2), padding), padding=padding), x)


@settings(deadline=None)
@given(seed=SEEDS, padding=st.integers(1, 4), data=st.data())
def test_shift_equals_padding_and_cropping_one_by_one(seed: int, padding: int, data: st.DataObject) -> None:
    x = images(seed)
    corner = st.tuples(st.integers(0, 2 * padding), st.integers(0, 2 * padding))
    offsets = data.draw(st.lists(corner, min_size=4, max_size=4))
    padded = functional.pad(x, (padding,) * 4)
    one_by_one = [padded[i, :, row : row + 9, column : column + 9] for i, (row, column) in enumerate(offsets)]
    assert torch.equal(shift(x, torch.tensor(offsets), padding=padding), torch.stack(one_by_one))


@settings(deadline=None)
@given(seed=SEEDS)
def test_crop_of_everything_keeps_the_image(seed: int) -> None:
    x = images(seed)
    whole = torch.tensor([[0.0, 0.0, 1.0, 1.0]]).expand(4, 4)
    assert torch.allclose(resized_crop(x, whole), x.float(), atol=0.05)


def test_crop_cuts_the_box_that_was_asked_for() -> None:
    x = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    x[:, :, :4, 4:] = 200  # the upper right quarter
    upper_right = torch.tensor([[0.5, 0.0, 0.5, 0.5]])
    assert resized_crop(x, upper_right)[..., 1:-1, 1:-1].min() == 200


@settings(deadline=None)
@given(seed=SEEDS, aspect=st.floats(0.2, 5))
def test_drawn_boxes_lie_inside_and_have_the_area(seed: int, aspect: float) -> None:
    crops = draw_crops(64, area=(0.1, 0.5), rng=torch.Generator().manual_seed(seed))
    left, top, width, height = crop_boxes(crops, aspect=aspect).unbind(-1)
    for start, extent in ((left, width), (top, height)):
        assert start.min() >= 0
        assert (start + extent).max() <= 1 + 1e-6
    assert (width * height).max() <= 0.5 + 1e-5
    uncut = (width < 1) & (height < 1)
    assert (width * height)[uncut].min(dim=0).values >= 0.1 - 1e-5 if uncut.any() else True
    ratio = (width / height * aspect)[uncut]
    assert ((ratio > 0.74) & (ratio < 1.34)).all()


@settings(deadline=None)
@given(seed=SEEDS)
def test_augmentation_is_decided_by_the_generator(seed: int) -> None:
    x, augment = images(seed), Augment(crop_padding=0.25)
    first, second = (
        augmented(x, augment, draw_changes(len(x), rng=torch.Generator().manual_seed(seed))) for _ in range(2)
    )
    assert torch.equal(first, second)
    assert first.dtype == torch.uint8
    assert first.shape == x.shape


def test_augmentation_gives_every_image_its_own_change() -> None:
    x = images(0, count=1).expand(64, -1, -1, -1)
    changes = draw_changes(64, rng=torch.Generator().manual_seed(0))
    changed = augmented(x, Augment(crop_padding=0.25), changes)
    assert len({bytes(image.contiguous().numpy()) for image in changed}) > 20


def test_no_augmentation_changes_nothing() -> None:
    x = images(0)
    changes = draw_changes(len(x), rng=torch.Generator())
    assert torch.equal(augmented(x, Augment(flip=False, crop_padding=0.0), changes), x)


def test_shifts_and_mirrors_are_all_equally_likely() -> None:
    x = torch.zeros(3000, 1, 4, 4, dtype=torch.uint8)
    x[:, :, 1, 1] = 1  # lands at 1 to 2 after the shift by up to 1, or is mirrored from there
    changed = augmented(
        x, Augment(crop_padding=0.25), draw_changes(3000, rng=torch.Generator().manual_seed(0))
    )
    rows, columns = changed.sum(0)[0].sum(1), changed.sum(0)[0].sum(0)
    torch.testing.assert_close(rows, torch.tensor([1000, 1000, 1000, 0]), rtol=0.1, atol=0)
    torch.testing.assert_close(columns, torch.tensor([500, 1000, 1000, 500]), rtol=0.12, atol=0)


def test_resize_to_the_same_size_is_the_same_tensor() -> None:
    x = images(0).float()
    assert resize(x, 9) is x


@settings(deadline=None)
@given(level=st.integers(0, 255), resolution=st.integers(1, 40))
def test_resize_keeps_a_uniform_image(level: int, resolution: int) -> None:
    x = torch.full((2, 1, 16, 16), float(level))
    resized = resize(x, resolution)
    assert resized.shape == (2, 1, resolution, resolution)
    assert torch.allclose(resized, torch.full_like(resized, float(level)), atol=1e-3)


def test_resize_is_antialiased() -> None:
    stripes = torch.zeros(1, 1, 32, 32)
    stripes[..., ::2] = 1.0
    inner = resize(stripes, 8)[..., 1:-1]
    assert torch.allclose(inner, torch.full_like(inner, 0.5), atol=0.01)


def test_impossible_augmentations_are_refused() -> None:
    with pytest.raises(UserError, match=r"crop_padding is -1.*0 <= crop_padding < 1"):
        Augment(crop_padding=-1)
    with pytest.raises(UserError, match=r"resized_crop is \(0.5, 0.1\).*0 < smallest <= largest <= 1"):
        Augment(resized_crop=(0.5, 0.1))
