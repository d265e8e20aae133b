"""The listing of an image folder: images, files that are passed over, and the report about them."""

from __future__ import annotations

import io
import os
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image, features

from nas.errors import UserError
from nas.training.data import Splits, files_digest, load_data
from nas.training.data.decode import center_box, decode, image_suffixes
from nas.training.data.listing import entries, visible_files, walk

COUNT = 6
MODES = {".blp": "P", ".msp": "1", ".xbm": "1"}
"""The modes that a format can save, where it is not RGB."""


def write(folder: Path, *, count: int = COUNT, suffix: str = ".png") -> None:
    """Different pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        data = io.BytesIO()
        Image.new("RGB", (12, 12), (10 * i, 80, 80)).save(data, "PNG")
        (folder / f"{i}{suffix}").write_bytes(data.getvalue())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("cat", "dog"):
        write(tmp_path / "train" / name)
    return tmp_path


def load(root: Path, *, name: str = "image_folder", fraction: float = 0.25) -> Splits:
    return load_data(name, root=root, seed=0, validation_fraction=fraction, test_fraction=fraction)


def total(splits: Splits) -> int:
    return len(splits.train) + len(splits.validation) + len(splits.test)


@pytest.mark.parametrize("name", [".ipynb_checkpoints", "@eaDir", "__MACOSX", "#recycle"])
@pytest.mark.parametrize("place", ["train/cat", "train/cat/more", "train"])
def test_folders_of_tools_are_passed_over_and_counted(root: Path, name: str, place: str) -> None:
    before = files_digest("image_folder", root=root)
    write(root / place / name / "deep")
    splits = load(root)
    assert (total(splits), splits.classes) == (2 * COUNT, ("cat", "dog"))
    assert splits.notes == (f"passed over {COUNT} files in train/ ({name}/: {COUNT})",)
    assert files_digest("image_folder", root=root) == before


def test_what_every_system_leaves_in_folders_is_no_news(root: Path) -> None:
    (root / "train" / "cat" / ".DS_Store").write_bytes(b"x")
    (root / ".cache").mkdir()
    (root / "labels.csv").write_text("x")
    assert load(root).notes == ()


def test_files_that_are_no_images_are_counted_by_their_ending(root: Path) -> None:
    for name in ("a.txt", "b.txt", "c.mp4", "d", "._e.png", "._f.txt"):
        (root / "train" / "cat" / name).write_bytes(b"x")
    shutil.copy(root / "train" / "cat" / "0.png", root / "train" / "0.png")
    beside, rest = "files beside the class folders: 1", "*.mp4: 1, no file ending: 1"
    assert load(root).notes == (
        f"passed over 6 files in train/ (*.txt: 2, {beside}, hidden files: 1, {rest})",
    )


@pytest.mark.parametrize("suffix", [".jfif", ".jpe", ".tga", ".JPG", ".jp2"])
def test_usual_endings_are_read(root: Path, suffix: str) -> None:
    write(root / "train" / "cat" / "more", suffix=suffix)
    splits = load(root)
    assert (total(splits), splits.notes) == (3 * COUNT, ())


def test_every_ending_that_is_accepted_can_be_decoded(tmp_path: Path) -> None:
    assert {".jpg", ".png", ".webp", ".gif", ".tif", ".bmp"} <= image_suffixes()
    assert (".avif" in image_suffixes()) == bool(features.check("avif"))
    seen = 0
    for suffix in sorted(image_suffixes()):
        if Image.registered_extensions()[suffix] in Image.SAVE:
            path = tmp_path / f"x{suffix}"
            Image.new("RGB", (32, 32), "red").convert(MODES.get(suffix, "RGB")).save(path)
            assert decode(str(path), channels=3, size=8, box=center_box).shape == (3, 8, 8)
            seen += 1
    assert seen > 15


def test_symlinked_folders_are_read_once_and_end(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    write(elsewhere, count=4)
    cat = root / "train" / "cat"
    (cat / "a_link").symlink_to(elsewhere)
    (cat / "another").symlink_to(elsewhere)
    (cat / "parent").symlink_to(root / "train")  # dog's pictures are cat's now, as the link says
    (cat / "itself").symlink_to(cat)
    (cat / "nowhere").symlink_to(cat / "nowhere")
    (cat / "sub").mkdir()
    (cat / "sub" / "up").symlink_to(cat)
    names = [str(Path(path).relative_to(cat)) for path in visible_files(cat)]
    assert len(names) == len({os.path.realpath(path) for path in visible_files(cat)}) == 1 + 4 + 2 * COUNT
    assert {"0.png", "a_link/0.png", "parent/dog/0.png", "nowhere"} <= set(names)


def test_a_folder_comes_before_links_to_it_and_visible_before_hidden(tmp_path: Path) -> None:
    write(tmp_path / "real", count=1)
    write(tmp_path / ".store", count=1)
    (tmp_path / "a").symlink_to(tmp_path / "real")
    (tmp_path / "b").symlink_to(tmp_path / ".store")
    files = {str(Path(path).relative_to(tmp_path)): hidden for path, hidden in walk(tmp_path)}
    assert files == {"real/0.png": "", "b/0.png": ""}


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"folder .*gone cannot be read \(No such file.*check its permissions"
    ):
        entries(tmp_path / "gone")


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Validation", "test", "Testing"])
def test_usual_names_of_the_test_set(root: Path, name: str) -> None:
    for label in ("cat", "dog"):
        write(root / name / label, count=3)
    (root / "train").rename(root / "Training")
    splits = load(root)
    assert (len(splits.test), len(splits.train) + len(splits.validation)) == (6, 2 * COUNT)
    assert splits.notes == ()
    digest = files_digest("image_folder", root=root)
    assert digest is not None and digest.startswith(f"{2 * COUNT + 6} files")


def test_two_names_of_one_part_are_refused(root: Path) -> None:
    for name in ("val", "valid"):
        write(root / name / "cat")
    with pytest.raises(UserError, match="has val/ and valid/, which are names of the same part; keep one"):
        load(root)


def test_folders_with_images_that_are_no_part_are_named(root: Path) -> None:
    write(root / "dev" / "cat")
    (root / "documents").mkdir()
    (root / "documents" / "read.me").write_text("x")
    names = "train/, training/, val/, valid/, validation/, test/, testing/"
    assert load(root).notes == (f"images in dev/ are not used; known folders: {names}",)
    (root / "dev").rename(root / "val")
    write(root / "val" / "dog")
    write(root / "test")
    assert (
        load(root, name="imagenet").notes[0].startswith("images in test/ are not used; known folders: train/")
    )


def test_classes_without_images_in_a_part_are_named(root: Path) -> None:
    write(root / "train" / "fox", count=1)
    (note,) = load(root).notes[:1]
    consequence = "the search does not see how well they are classified"
    assert note == f"no search-validation images of fox (1 in all): {consequence}"
    consequence = "the test accuracy says nothing about them"
    assert load(root).notes[1:] == (f"no test images of fox (1 in all): {consequence}",)
    for part in ("val", "test"):
        write(root / part / "cat")
    assert len(load(root).notes) == 2
    write(root / "val" / "dog")
    write(root / "val" / "fox")
    assert load(root).notes == ("no test images of dog, fox: the test accuracy says nothing about them",)


def test_the_fraction_that_is_advised_gives_an_image(root: Path) -> None:
    with pytest.raises(
        UserError, match=r"0.01 of 12 training images is less than one image for test"
    ) as caught:
        load(root, fraction=0.01)
    advice = re.search(r"raise test_fraction to at least ([\d.]+)$", str(caught.value))
    assert advice is not None
    splits = load(root, fraction=float(advice[1]))
    assert (len(splits.test), len(splits.validation)) == (1, 1)


@pytest.mark.parametrize("fraction", [0.01, 0.5, 0.99])
def test_no_fraction_is_advised_where_every_class_has_one_image(tmp_path: Path, fraction: float) -> None:
    for name in ("cat", "dog", "fox"):
        write(tmp_path / "train" / name, count=1)
    with pytest.raises(UserError, match=r"each of the 3 has a class of its own.*add images") as caught:
        load(tmp_path, fraction=fraction)
    assert "raise" not in str(caught.value)
