"""``image_folder``: your own pictures, one folder a class.

    root/train/CLASS/*      what is learnt from
    root/val/CLASS/*        the test set, if it is there (or root/test/CLASS/*)

With both ``val/`` and ``test/``, ``val/`` is the search-validation set. With neither, a part of ``train/`` is
the test set.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import torch

from nas.errors import UserError
from nas.training.data.decode import SUFFIXES, examine
from nas.training.data.images import FileImages
from nas.training.data.registry import Request, Source, register

PARTS = ("train", "val", "test")
LAYOUT = "train/CLASS/*.jpg (or png, bmp, webp, gif, tiff), and val/CLASS/* if you have a test set"


def list_images(root: Path) -> list[str]:
    """The image files in the folders of all classes of all parts, as far as there are such."""
    parts = [root / part for part in PARTS if (root / part).is_dir()]
    return [path for part in parts for name in _class_names(part) for path in _files(part / name)]


@register("image_folder", files=list_images)
def load_image_folder(request: Request) -> Source:
    """Lists the files; ``load_data`` decides whether they are decoded at once."""
    root = find_root(request.root, name="image_folder")
    train = list_classes(root / "train")
    classes = tuple(train)
    parts = {
        part: list_classes(root / part, known=classes) for part in ("val", "test") if (root / part).is_dir()
    }
    channels = request.channels or examine([path for paths in train.values() for path in paths])[1]
    images = {part: file_images(files, classes, channels=channels) for part, files in parts.items()}
    return Source(
        train=file_images(train, classes, channels=channels),
        validation=images["val"] if len(images) == 2 else None,
        test=images.get("test", images.get("val")),
        classes=classes,
    )


def find_root(root: Path | None, *, name: str) -> Path:
    """Checks that there is a folder with ``train/`` in it."""
    if root is None:
        raise UserError(f"data={name} needs data.root=FOLDER, a folder with {LAYOUT}")
    if not root.is_dir():
        raise UserError(f"data.root={root} is not a folder; give one with {LAYOUT}")
    if not any(root.iterdir()):
        raise UserError(f"data.root={root} is empty; it needs {LAYOUT}")
    if not (root / "train").is_dir():
        found = ", ".join(sorted(path.name for path in root.iterdir())[:5])
        raise UserError(f"data.root={root} has no train/ (it has {found}); it needs {LAYOUT}")
    return root


def list_classes(folder: Path, *, known: Sequence[str] | None = None) -> dict[str, list[str]]:
    """Lists the image files under each class folder, sorted by name; hidden and other files are passed over.

    Args:
        folder: A folder of class folders, which may be nested.
        known: The classes that are allowed; None allows any, two or more.

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
            f"{folder} has classes that train/ lacks: {', '.join(extra[:5])}; add them there or remove them"
        )
    files = {name: _files(folder / name) for name in names}
    if empty := [name for name in names if not files[name]]:
        raise UserError(
            f"no images in {folder / empty[0]}; add some ({', '.join(sorted(SUFFIXES))}) or remove the folder"
        )
    return files


def file_images(
    files: dict[str, list[str]], classes: Sequence[str], *, channels: int, crop_fraction: float = 1.0
) -> FileImages:
    """The files of each class as one set; labels are positions in ``classes``."""
    label = {name: index for index, name in enumerate(classes)}
    labels = [label[name] for name, paths in files.items() for _ in paths]
    return FileImages(
        labels=torch.tensor(labels, dtype=torch.int64),
        paths=tuple(path for paths in files.values() for path in paths),
        color_channels=channels,
        crop_fraction=crop_fraction,
    )


def _class_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _files(folder: Path) -> list[str]:
    found = []
    for parent, _, names in os.walk(folder):
        paths = (Path(parent, name) for name in names if not name.startswith("."))
        found += [str(path) for path in paths if path.suffix.lower() in SUFFIXES]
    return sorted(found)
