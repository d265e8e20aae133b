"""Damaged images: an error, or left out as if they had never been there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nas.errors import UserError
from nas.training.data import FileImages, MemoryImages, Splits, load_data
from nas.training.data.damage import find_damaged

FAULTS = {"empty": 0.0, "cut": 0.5, "header": 0.02}
"""What is left of a file."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for part, count in (("train", 20), ("val", 4)):
        for name in ("cat", "dog"):
            (tmp_path / part / name).mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 255, (40, 60, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(tmp_path / part / name / f"{i:02}.jpg")
    return tmp_path


def damage(path: Path, *, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


def load(root: Path, *, skip_damaged: bool = True, cache: str = "memory", workers: int = 0) -> Splits:
    return load_data(
        "image_folder",
        root=root,
        seed=0,
        validation_fraction=0.25,
        test_fraction=0.25,
        cache=cache,
        workers=workers,
        skip_damaged=skip_damaged,
    )


@pytest.mark.parametrize("workers", [0, 1])
def test_skipping_equals_removing(root: Path, workers: int) -> None:
    damaged = [root / "train" / "cat" / f"{i:02}.jpg" for i in range(3)] + [root / "val" / "dog" / "00.jpg"]
    for path, share in zip(damaged, [*FAULTS.values(), 0.9], strict=True):
        damage(path, share=share)
    skipped = load(root, workers=workers)
    assert skipped.notes == (f"skipped damaged images: 4 ({', '.join(map(str, damaged))})",)
    for path in damaged:
        path.unlink()
    removed = load(root)
    assert removed.notes == ()
    for name in ("train", "validation", "test"):
        one, other = getattr(skipped, name), getattr(removed, name)
        assert isinstance(one, MemoryImages)
        assert torch.equal(one.pixels, other.pixels)
        assert torch.equal(one.labels, other.labels)


def test_images_on_disk_are_checked_beforehand(root: Path) -> None:
    damage(root / "train" / "cat" / "07.jpg", share=0.5)
    splits = load(root, cache="disk")
    assert isinstance(splits.train, FileImages) and isinstance(splits.validation, FileImages)
    paths = splits.train.paths + splits.validation.paths
    assert len(paths) == 39
    assert find_damaged(paths, channels=3) == []


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("cache", ["memory", "auto"])
def test_the_default_refuses(root: Path, fault: str, cache: str) -> None:
    damage(root / "train" / "cat" / "00.jpg", share=FAULTS[fault])
    with pytest.raises(UserError, match=r"00\.jpg cannot be read.*data\.skip_damaged=true"):
        load(root, skip_damaged=False, cache=cache)


def test_a_class_or_a_part_of_damaged_images_is_refused(root: Path) -> None:
    for path in (root / "train" / "dog").iterdir():
        damage(path, share=0.5)
    with pytest.raises(UserError, match="all training images of dog are damaged; replace them"):
        load(root)
    for path in (root / "val").rglob("*.jpg"):
        damage(path, share=0)
    with pytest.raises(UserError, match="all test images are damaged; replace them"):
        load(root)


def test_progress_covers_all_files(root: Path) -> None:
    paths = sorted(map(str, root.rglob("*.jpg")))
    seen: list[tuple[int, int]] = []
    find_damaged(paths * 3, channels=3, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(64, 144), (128, 144), (144, 144)]
