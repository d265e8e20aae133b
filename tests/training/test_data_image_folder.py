"""Folders of pictures as users have them: sizes, modes, formats, and what can be wrong with them."""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nas.errors import UserError
from nas.training.data import (
    FileImages,
    MemoryImages,
    Normalization,
    Splits,
    batches,
    files_digest,
    load_data,
)

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "cifar10-jpeg.tar.xz"
COLORS = {"blue": (0, 0, 255), "green": (0, 255, 0), "red": (255, 0, 0)}


def picture(color: tuple[int, int, int], *, width: int, height: int, seed: int = 0) -> Image.Image:
    """A picture of mostly one colour."""
    noise = np.random.default_rng(seed).integers(-30, 30, (height, width, 3))
    return Image.fromarray((np.array(color) + noise).clip(0, 255).astype(np.uint8))


def write(root: Path, part: str, *, count: int = 12) -> None:
    """Three classes, of different sizes, formats and modes."""
    suffixes = ["jpg", "png", "bmp", "webp", "gif", "JPEG"]
    modes = ["RGB", "RGBA", "RGB", "RGB", "P", "RGB"]
    for name, color in COLORS.items():
        folder = root / part / name
        folder.mkdir(parents=True)
        for i in range(count):
            image = picture(color, width=20 + 3 * i, height=30 + i % 4, seed=i).convert(modes[i % 6])
            image.save(folder / f"{i:02}.{suffixes[i % 6]}")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, "train")
    return tmp_path


def load(
    root: Path | None,
    *,
    name: str = "image_folder",
    cache: str = "auto",
    channels: int | None = None,
    store_size: int | None = None,
    workers: int | None = None,
    max_train_images: int | None = None,
) -> Splits:
    return load_data(
        name,
        root=root,
        seed=0,
        validation_fraction=0.25,
        test_fraction=0.25,
        cache=cache,
        channels=channels,
        store_size=store_size,
        workers=workers,
        max_train_images=max_train_images,
    )


def test_pictures_of_any_size_and_mode_become_one_set(root: Path) -> None:
    splits = load(root, store_size=16)
    assert splits.classes == ("blue", "green", "red")
    assert splits.channels == 3
    for part, count in ((splits.train, 20), (splits.validation, 7), (splits.test, 9)):
        assert isinstance(part, MemoryImages)
        assert part.pixels.shape == (count, 3, 16, 16)
        means = part.pixels.float().mean((2, 3))
        # blue is label 0 and channel 2, and so on
        assert torch.equal(2 - means.argmax(1), part.labels)


def test_grey_pictures_have_one_channel(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "train" / name).mkdir(parents=True)
        for i in range(4):
            grey = picture((90, 90, 90), width=12, height=12, seed=i).convert("L")
            grey.save(tmp_path / "train" / name / f"{i}.png")
    assert load(tmp_path).channels == 1
    assert load(tmp_path, channels=3).channels == 3
    colored = picture((0, 0, 255), width=12, height=12)
    colored.save(tmp_path / "train" / "a" / "9.png")
    assert load(tmp_path).channels == 3


def test_channels_convert_colour_to_grey(root: Path) -> None:
    splits = load(root, channels=1)
    assert splits.channels == 1
    assert isinstance(splits.train, MemoryImages)
    assert splits.train.pixels.shape[1] == 1


def test_a_folder_of_its_own_is_the_test_set(root: Path) -> None:
    without = load(root)
    write(root, "val", count=5)
    splits = load(root)
    assert len(splits.test) == 15
    assert (without.drawn, splits.drawn) == (("validation", "test"), ("validation",))
    assert len(splits.train) + len(splits.validation) == 36
    assert len(without.train) + len(without.validation) + len(without.test) == 36
    (root / "val").rename(root / "test")
    assert len(load(root).test) == 15


def test_with_val_and_test_the_search_looks_at_val(root: Path) -> None:
    write(root, "val", count=5)
    write(root, "test", count=3)
    splits = load(root)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (36, 15, 9)
    assert splits.drawn == ()


def test_store_size_defaults_to_the_median_shorter_side(root: Path) -> None:
    train = load(root).train
    assert isinstance(train, MemoryImages)
    assert 20 <= train.pixels.shape[-1] <= 33


def test_disk_and_memory_hold_the_same_images(root: Path) -> None:
    on_disk, in_memory = load(root, cache="disk"), load(root, cache="memory", store_size=16)
    assert isinstance(on_disk.train, FileImages)
    assert isinstance(in_memory.train, MemoryImages)
    assert (on_disk.store_size, in_memory.store_size) == (None, 16)
    normalize = Normalization.measure(in_memory.train, seed=0)
    cpu = torch.device("cpu")
    passes = [
        list(batches(part, batch_size=8, resolution=16, device=cpu, normalize=normalize))
        for part in (on_disk.test, in_memory.test)
    ]
    for (x, y), (other_x, other_y) in zip(*passes, strict=True):
        assert torch.allclose(x, other_x)
        assert torch.equal(y, other_y)


def test_large_sets_stay_on_disk(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.training.data.load.CACHE_LIMIT_BYTES", 36 * 3 * 16 * 16)
    assert isinstance(load(root, store_size=16).train, MemoryImages)
    assert isinstance(load(root, store_size=17).train, FileImages)
    assert isinstance(load(root, store_size=17, cache="memory").train, MemoryImages)


def test_workers_decode_the_same(root: Path) -> None:
    parts = [load(root, workers=workers).train for workers in (0, 2)]
    assert isinstance(parts[0], MemoryImages)
    assert isinstance(parts[1], MemoryImages)
    assert torch.equal(parts[0].pixels, parts[1].pixels)


def test_progress_ends_at_all_images(root: Path) -> None:
    seen: list[tuple[int, int]] = []
    load_data(
        "image_folder",
        root=root,
        seed=0,
        validation_fraction=0.2,
        test_fraction=0.2,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen[-1] == (36, 36)
    assert seen == sorted(seen)


def test_only_what_is_used_is_decoded(root: Path) -> None:
    splits = load(root, max_train_images=6)
    assert len(splits.train) == 6
    assert len(splits.test) == 9


def test_other_files_and_nested_folders(root: Path) -> None:
    (root / "train" / "red" / "notes.txt").write_text("not an image")
    (root / "train" / "red" / ".hidden.png").write_bytes(b"not an image")
    (root / "train" / ".cache").mkdir()
    (root / "train" / "red" / "more").mkdir()
    picture(COLORS["red"], width=9, height=9).save(root / "train" / "red" / "more" / "x.png")
    splits = load(root)
    assert len(splits.train) + len(splits.validation) + len(splits.test) == 37


def digest(root: Path, *, name: str = "image_folder") -> str | None:
    return files_digest(name, root=root)


def test_the_digest_is_another_if_an_image_comes_goes_changes_or_is_moved(root: Path) -> None:
    def copy(*parts: str) -> Path:
        return Path(shutil.copy2(root / "train" / "red" / "00.jpg", root.joinpath(*parts)))

    before = digest(root)
    assert before is not None
    assert before.startswith("36 files, ")
    found = {before}
    added = copy("train", "red", "new.jpg")
    found.add(digest(root))
    added.rename(root / "train" / "blue" / "new.jpg")
    found.add(digest(root))
    (root / "train" / "blue" / "new.jpg").unlink()
    assert digest(root) == before
    first = root / "train" / "red" / "00.jpg"
    status = first.stat()
    os.utime(first, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    found.add(digest(root))
    (root / "val" / "red").mkdir(parents=True)
    copy("val", "red", "new.jpg")
    found.add(digest(root))
    assert len(found) == 5


def test_the_digest_is_that_of_the_images_wherever_they_lie(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    before = digest(root)
    (root / "train" / "red" / ".DS_Store").write_bytes(b"x")
    (root / "train" / "red" / "notes.txt").write_text("x")
    (root / "labels.csv").write_text("x")
    assert digest(root) == before
    copied = shutil.copytree(root, tmp_path_factory.mktemp("other") / "pictures")  # keeps the times
    assert digest(copied) == before
    assert digest(root, name="imagenet") == before


def test_data_sets_without_files_of_their_own_have_no_digest(root: Path) -> None:
    assert digest(root, name="digits") is digest(root, name="cifar10") is digest(root, name="digit") is None
    assert digest(root / "nowhere") is files_digest("image_folder", root=None) is None


def test_no_root_is_refused() -> None:
    with pytest.raises(UserError, match=r"data=image_folder needs data\.root=FOLDER.*train/CLASS"):
        load(None)


def test_a_missing_root_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere is not a folder; give one with train/CLASS"):
        load(tmp_path / "nowhere")


def test_an_empty_root_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is empty; it needs train/CLASS"):
        load(tmp_path)


def test_a_missing_train_is_refused(root: Path) -> None:
    (root / "train").rename(root / "images")
    with pytest.raises(UserError, match=r"has no train/ \(it has images\); it needs train/CLASS"):
        load(root)


def test_images_without_class_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    picture((1, 2, 3), width=9, height=9).save(tmp_path / "train" / "x.png")
    with pytest.raises(UserError, match=r"train has no class folders; put the images of each class into"):
        load(tmp_path)


def test_one_class_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train" / "only").mkdir(parents=True)
    with pytest.raises(UserError, match=r"train has only one class, only; add a folder"):
        load(tmp_path)


def test_a_class_without_images_is_refused(root: Path) -> None:
    (root / "train" / "yellow").mkdir()
    with pytest.raises(UserError, match=r"no images in .*yellow; add some \(jpg, png.*or remove the folder"):
        load(root)


def test_an_unknown_class_in_the_test_set_is_refused(root: Path) -> None:
    write(root, "val", count=1)
    (root / "val" / "red").rename(root / "val" / "pink")
    with pytest.raises(UserError, match=r"val has classes that train/ lacks: pink"):
        load(root)


@pytest.mark.parametrize("fault", ["empty", "text", "cut"])
@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_image_is_named(root: Path, fault: str, workers: int) -> None:
    path = root / "train" / "green" / "06.jpg"
    sound = path.read_bytes()
    path.write_bytes({"empty": b"", "text": b"hello", "cut": sound[: len(sound) // 2]}[fault])
    with pytest.raises(UserError, match=r"06\.jpg cannot be read \(.*\); remove it or replace it") as caught:
        load(root, store_size=16, workers=workers)
    assert "Traceback" not in str(caught.value)


def test_unknown_cache_and_store_size_are_refused(root: Path) -> None:
    with pytest.raises(UserError, match=r"unknown cache 'ram'.*allowed: auto, disk, memory"):
        load(root, cache="ram")
    with pytest.raises(UserError, match="store_size is 0; give a number of pixels"):
        load(root, store_size=0)


def test_imagenet_stays_on_disk_and_needs_val(root: Path) -> None:
    with pytest.raises(UserError, match=r"has no val/; unpack the validation images"):
        load(root, name="imagenet")
    write(root, "val", count=2)
    splits = load(root, name="imagenet")
    assert isinstance(splits.train, FileImages)
    assert splits.train.crop_fraction == 0.875
    assert len(splits.test) == 6
    with pytest.raises(UserError, match="imagenet is too large for cache=memory; allowed: auto, disk"):
        load(root, name="imagenet", cache="memory")


@pytest.mark.long
@pytest.mark.skipif(not SHARED.exists(), reason=f"needs {SHARED.name} in ../shared/data")
def test_real_photographs(tmp_path: Path) -> None:
    wanted = ("cat", "ship", "truck")
    with tarfile.open(SHARED) as archive:
        members = [m for m in archive if m.isfile() and m.name.split("/")[-2] in wanted]
        archive.extractall(tmp_path, members=members, filter="data")
    train = next(tmp_path.glob("**/train"))
    splits = load(train.parent)
    assert splits.classes == wanted
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (11_250, 3_750, 3_000)
    assert isinstance(splits.train, MemoryImages)
    assert splits.train.pixels.shape[1:] == (3, 32, 32)
    mean = Normalization.measure(splits.train, seed=0).mean
    assert all(0.3 < channel < 0.7 for channel in mean)
