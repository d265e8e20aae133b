"""Splits: disjoint, complete, stratified, decided by the seed; the digits as the real case."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.errors import UserError
from nas.training.data import Images, MemoryImages, Splits, data_sets, load_data, subset
from nas.training.data.splits import stratified, validation_count

LABELS = st.lists(st.integers(0, 5), min_size=1, max_size=80)


def digits(
    *,
    seed: int = 0,
    validation_fraction: float | None = 0.2,
    test_fraction: float = 0.2,
    channels: int | None = None,
) -> Splits:
    return load_data(
        "digits",
        seed=seed,
        validation_fraction=validation_fraction,
        test_fraction=test_fraction,
        channels=channels,
    )


def pixels(images: Images) -> torch.Tensor:
    assert isinstance(images, MemoryImages)
    return images.pixels


@settings(deadline=None)
@given(labels=LABELS, share=st.floats(0, 1), seed=st.integers(0, 2**32))
def test_stratified_is_disjoint_and_complete(labels: list[int], share: float, seed: int) -> None:
    kept, taken = stratified(torch.tensor(labels), taken=int(share * len(labels)), seed=seed, purpose="test")
    assert sorted(kept.tolist() + taken.tolist()) == list(range(len(labels)))


@settings(deadline=None)
@given(labels=LABELS, share=st.floats(0, 1), seed=st.integers(0, 2**32))
def test_stratified_takes_each_class_in_proportion(labels: list[int], share: float, seed: int) -> None:
    wanted = int(share * len(labels))
    _, taken = stratified(torch.tensor(labels), taken=wanted, seed=seed, purpose="test")
    for label in set(labels):
        size = labels.count(label)
        got = sum(labels[index] == label for index in taken.tolist())
        assert got < size, "a class was emptied"
        # Classes that must keep their last image leave their share to others, so at most; and the largest
        # ones give way to those that would not be there.
        assert got >= min(size - 1, int(size * wanted / len(labels)) - len(set(labels)))
        assert got or size == 1 or wanted < len({each for each in labels if labels.count(each) > 1})
    assert len(taken) == min(wanted, len(labels) - len(set(labels)))


@settings(deadline=None)
@given(sizes=st.lists(st.integers(10, 30), min_size=1, max_size=5), tenths=st.integers(1, 8))
def test_stratified_is_exact_to_one_image_where_no_class_runs_out(sizes: list[int], tenths: int) -> None:
    labels = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    wanted = round(len(labels) * tenths / 10)
    _, taken = stratified(labels, taken=wanted, seed=0, purpose="test")
    assert len(taken) == wanted
    for label, size in enumerate(sizes):
        got = int((labels[taken] == label).sum())
        assert abs(got - size * wanted / len(labels)) < 1


def test_small_classes_are_in_each_part() -> None:
    """A class of three images has one in each part; a class of two has none to search with."""
    labels = torch.tensor([0] * 40 + [1] * 3 + [2] * 2 + [3])
    rest, test = stratified(labels, taken=5, seed=0, purpose="test")
    train, validation = stratified(labels[rest], taken=4, seed=0, purpose="validation")
    assert torch.bincount(labels[test], minlength=4).tolist() == [3, 1, 1, 0]
    assert torch.bincount(labels[rest][validation], minlength=4).tolist() == [3, 1, 0, 0]
    assert torch.bincount(labels[rest][train], minlength=4).tolist() == [34, 1, 1, 1]


@pytest.mark.parametrize(
    ("images", "count"),
    [(1, 1), (3, 1), (100, 25), (2000, 500), (5000, 1250), (12500, 1250), (50_000, 5000)],
)
def test_the_fewer_images_the_larger_the_share_of_validation(images: int, count: int) -> None:
    assert validation_count(images) == count


def test_without_a_fraction_the_share_is_automatic() -> None:
    splits = digits(validation_fraction=None)
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [1078, 360, 359]


@settings(deadline=None)
@given(seed=st.integers(0, 2**32))
def test_stratified_depends_on_seed_and_purpose_alone(seed: int) -> None:
    labels = torch.arange(60) % 3
    first = stratified(labels, taken=20, seed=seed, purpose="test")
    second = stratified(labels, taken=20, seed=seed, purpose="test")
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    for other in (
        stratified(labels, taken=20, seed=seed + 1, purpose="test"),
        stratified(labels, taken=20, seed=seed, purpose="validation"),
    ):
        assert set(other[1].tolist()) != set(first[1].tolist())


def test_digits_are_split_into_three_whole_parts() -> None:
    splits = digits()
    parts = [splits.train, splits.validation, splits.test]
    assert [len(part) for part in parts] == [1150, 288, 359]
    assert splits.classes == tuple("0123456789")
    assert splits.channels == 1
    whole = digits(seed=1)
    images = torch.cat([pixels(part).flatten(1) for part in parts])
    again = torch.cat([pixels(part).flatten(1) for part in (whole.train, whole.validation, whole.test)])
    assert torch.equal(torch.unique(images, dim=0), torch.unique(again, dim=0))
    assert int(images.max()) == 255
    assert images.shape == (1797, 64)


def test_digits_keep_their_class_proportions() -> None:
    splits = digits()
    shares = [
        torch.bincount(part.labels, minlength=10) / len(part)
        for part in (splits.train, splits.validation, splits.test)
    ]
    assert torch.allclose(shares[0], shares[1], atol=0.005)
    assert torch.allclose(shares[0], shares[2], atol=0.005)


def test_same_seed_same_splits() -> None:
    first, second, other = digits(seed=3), digits(seed=3), digits(seed=4)
    for part in ("train", "validation", "test"):
        assert torch.equal(pixels(getattr(first, part)), pixels(getattr(second, part)))
    assert not torch.equal(pixels(first.test), pixels(other.test))


def test_limiting_training_images_leaves_the_other_parts_alone() -> None:
    whole = digits()
    small = load_data("digits", seed=0, validation_fraction=0.2, test_fraction=0.2, max_train_images=100)
    assert len(small.train) == 100
    assert torch.bincount(small.train.labels).tolist() == pytest.approx([10] * 10, abs=1)
    assert torch.equal(pixels(small.test), pixels(whole.test))
    assert torch.equal(pixels(small.validation), pixels(whole.validation))


def test_prefixes_are_fair_samples() -> None:
    splits = digits()
    for part in (splits.train, splits.validation, splits.test):
        for slice_ in (part.labels[:100], part.labels[-100:]):
            assert torch.bincount(slice_, minlength=10).max() <= 20


def test_digits_in_three_channels_are_grey() -> None:
    splits = digits(channels=3)
    assert splits.channels == 3
    assert torch.equal(pixels(splits.train)[:, 0], pixels(splits.train)[:, 2])


def test_subset_keeps_order() -> None:
    train = digits().train
    part = subset(train, [5, 2, 9])
    assert len(part) == 3
    assert part.labels.tolist() == [int(train.labels[i]) for i in (5, 2, 9)]
    assert torch.equal(pixels(part)[1], pixels(train)[2])


def test_every_data_set_is_found() -> None:
    assert data_sets() == ("cifar10", "cifar100", "digits", "image_folder", "imagenet")


def test_unknown_data_set_names_near_ones() -> None:
    with pytest.raises(UserError, match=r"unknown data set 'digit'; did you mean digits\?.*image_folder"):
        load_data("digit", seed=0, validation_fraction=0.2, test_fraction=0.2)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, float("nan")])
def test_fractions_must_lie_between_0_and_1(fraction: float) -> None:
    with pytest.raises(UserError, match=r"validation_fraction is .*between 0 and 1"):
        digits(validation_fraction=fraction)
    with pytest.raises(UserError, match=r"test_fraction is .*between 0 and 1"):
        digits(test_fraction=fraction)


def test_a_fraction_too_small_for_one_image_is_refused() -> None:
    with pytest.raises(
        UserError,
        match=r"1e-06 of 1797 training images is less than one.*raise test_fraction to at least 0.00056",
    ):
        digits(test_fraction=1e-6)


def test_too_few_training_images_are_refused() -> None:
    with pytest.raises(UserError, match="max_train_images is 9; 10 classes need at least 10"):
        load_data("digits", seed=0, validation_fraction=0.2, test_fraction=0.2, max_train_images=9)


def test_odd_channels_are_refused() -> None:
    with pytest.raises(UserError, match=r"channels is 2; allowed: 1 \(grey\), 3"):
        digits(channels=2)
