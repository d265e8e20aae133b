"""``image_folder``: your own images, one folder per class.

    root/train/CLASS/*      training images
    root/val/CLASS/*        the test set, if present (or root/test/CLASS/*)

With both ``val/`` and ``test/``, ``val/`` is the search-validation set. With neither, a part of ``train/``
becomes the test set. ``PARTS`` lists other names that the folders may have.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from nas.errors import UserError
from nas.training.data.decode import examine, image_suffixes
from nas.training.data.images import FileImages
from nas.training.data.listing import entries, is_folder, is_hidden, walk
from nas.training.data.registry import Request, Source, register
from nas.training.data.splits import listed

PARTS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
"""Names of the folders of each part. Their case does not matter."""

LAYOUT = "train/CLASS/*.jpg (or any format that Pillow reads), and val/CLASS/* if you have a test set"


@dataclass(frozen=True)
class ClassFiles:
    """The files of one part.

    Attributes:
        images: The paths of each class's images, sorted.
        passed_over: Numbers of other files, by kind or place.
    """

    images: dict[str, list[str]]
    passed_over: Counter[str] = field(default_factory=Counter)


def list_images(root: Path) -> list[str]:
    """The image files in the class folders of all parts that exist."""
    parts = existing_parts(root).values()
    files = [_images(walk(folder / name), Counter()) for folder in parts for name in _class_names(folder)]
    return [path for paths in files for path in paths]


@register("image_folder", files=list_images)
def load_image_folder(request: Request) -> Source:
    """Lists the files; ``load_data`` decides whether they are decoded at once."""
    parts = find_parts(request.root, name="image_folder", known=tuple(PARTS))
    train = list_classes(parts["train"])
    classes = tuple(train.images)
    own = {part: list_classes(parts[part], known=classes) for part in ("val", "test") if part in parts}
    paths = [path for files in train.images.values() for path in files]
    channels = request.channels or examine(paths, skip_damaged=request.skip_damaged)[1]
    images = {part: file_images(files, classes, channels=channels) for part, files in own.items()}
    return Source(
        train=file_images(train, classes, channels=channels),
        validation=images["val"] if len(images) == 2 else None,
        test=images.get("test", images.get("val")),
        classes=classes,
        notes=listing_notes(parts, [train, *own.values()], known=tuple(PARTS)),
    )


def find_parts(root: Path | None, *, name: str, known: Sequence[str]) -> dict[str, Path]:
    """The folders of the parts that exist, the training images among them, by their keys in ``PARTS``.

    Args:
        root: ``data.root``.
        name: The data set's name, for messages.
        known: The parts that the data set reads.

    Raises:
        UserError: If ``root`` is not a folder, has no folder of training images, or two folders for one part.
    """
    if root is None:
        raise UserError(f"data={name} needs data.root=FOLDER, a folder with {LAYOUT}")
    if not root.is_dir():
        raise UserError(f"data.root={root} is not a folder; give one with {LAYOUT}")
    names = [entry.name for entry in entries(root)]
    if not names:
        raise UserError(f"data.root={root} is empty; it needs {LAYOUT}")
    parts = existing_parts(root)
    if "train" not in parts:
        raise UserError(f"data.root={root} has no train/ (it has {listed(names)}); it needs {LAYOUT}")
    return {part: folder for part, folder in parts.items() if part in known}


def existing_parts(root: Path) -> dict[str, Path]:
    """The folders of the parts that exist, by their keys in ``PARTS``.

    Raises:
        UserError: If there are two folders for one part.
    """
    folders = [entry.name for entry in entries(root) if is_folder(entry)]
    parts = {}
    for part, names in PARTS.items():
        candidates = [folder for folder in folders if folder.lower() in names]
        if len(candidates) > 1:
            raise UserError(
                f"{root} has {' and '.join(f'{folder}/' for folder in candidates)}, which are names of the "
                "same part; keep one of them"
            )
        if candidates:
            parts[part] = root / candidates[0]
    return parts


def list_classes(folder: Path, *, known: Sequence[str] | None = None) -> ClassFiles:
    """Lists the image files of each class folder, at any depth, and counts all other files.

    Args:
        folder: The folder of a part.
        known: The allowed classes; None allows any, two or more.

    Raises:
        UserError: If there are no class folders or only one, an unknown one, or one without images.
    """
    names = _class_names(folder)
    if not names:
        raise UserError(f"{folder} has no class folders; put the images of each class into {folder}/CLASS/")
    if known is None and len(names) == 1:
        raise UserError(
            f"{folder} has only one class, {names[0]}; add a folder for each other class, 2 or more in all"
        )
    if extra := sorted(set(names) - set(known or names)):
        raise UserError(
            f"{folder} has classes that train/ lacks: {listed(extra)}; add them there or remove them"
        )
    passed_over = _beside_classes(folder)
    files = {name: _images(walk(folder / name), passed_over) for name in names}
    if empty := [name for name in names if not files[name]]:
        raise UserError(
            f"no images in {folder / empty[0]}; add some (jpg, png, webp or any other format that Pillow "
            "reads) or remove the folder"
        )
    return ClassFiles(files, passed_over)


def file_images(
    files: ClassFiles, classes: Sequence[str], *, channels: int, crop_fraction: float = 1.0
) -> FileImages:
    """The images of all classes as one set; labels are positions in ``classes``."""
    label = {name: index for index, name in enumerate(classes)}
    labels = [label[name] for name, paths in files.images.items() for _ in paths]
    return FileImages(
        labels=torch.tensor(labels, dtype=torch.int64),
        paths=tuple(path for paths in files.images.values() for path in paths),
        color_channels=channels,
        crop_fraction=crop_fraction,
    )


def listing_notes(
    parts: dict[str, Path], files: Iterable[ClassFiles], *, known: Sequence[str]
) -> tuple[str, ...]:
    """Notes on files that were passed over, and on folders of images that belong to no part.

    Args:
        parts: The folders of the parts, from ``find_parts``.
        files: The files of each part.
        known: The parts that the data set reads.
    """
    passed_over = sum((part.passed_over for part in files), Counter[str]())
    notes = []
    if passed_over:
        counts = [f"{kind}: {count}" for kind, count in passed_over.most_common()]
        places = ", ".join(f"{folder.name}/" for folder in parts.values())
        notes.append(f"passed over {passed_over.total()} files in {places} ({listed(counts)})")
    root = parts["train"].parent
    if unused := [f"{name}/" for name in _class_names(root) if _is_unused(root / name, parts)]:
        names = ", ".join(f"{name}/" for part in known for name in PARTS[part])
        notes.append(f"images in {listed(unused)} are not used; known folders: {names}")
    return tuple(notes)


def _is_unused(folder: Path, parts: dict[str, Path]) -> bool:
    images = (path for path, hidden in walk(folder) if not hidden and _suffix(path) in image_suffixes())
    return folder not in parts.values() and next(images, None) is not None


def _class_names(folder: Path) -> list[str]:
    return [entry.name for entry in entries(folder) if is_folder(entry) and not is_hidden(entry.name)]


def _images(walked: Iterable[tuple[str, str]], passed_over: Counter[str]) -> list[str]:
    """The visible images among files of ``walk``, sorted; ``passed_over`` counts the other files."""
    images = []
    for path, hidden in walked:
        suffix = _suffix(path)
        if suffix in image_suffixes() and not hidden:
            images.append(path)
        elif suffix in image_suffixes():
            passed_over[hidden] += 1
        elif not hidden:
            passed_over[f"*{suffix}" if suffix else "no file ending"] += 1
    return sorted(images)


def _beside_classes(folder: Path) -> Counter[str]:
    """Counts the files of a part that are in no class folder."""
    counts: Counter[str] = Counter()
    for entry in entries(folder):
        if is_folder(entry) and is_hidden(entry.name):
            _images(walk(entry.path, hidden=f"{entry.name}/"), counts)
        elif not is_folder(entry):
            _images([(entry.path, "files beside the class folders")], counts)
    return counts


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()  # noqa: PTH122 - a path object for each of a million files
