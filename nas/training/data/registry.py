"""The interface of data sets, and their registry."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from nas.registry import Registry
from nas.training.data.images import Images
from nas.training.data.listing import visible_files


@dataclass(frozen=True, kw_only=True)
class Request:
    """The settings for loading a data set.

    Attributes:
        root: The folder, or None if none was given.
        download: Whether it may be downloaded.
        channels: 1 or 3, or None for the number that the images have.
        skip_damaged: Whether damaged images are left out, after the loader has listed them.
    """

    root: Path | None
    download: bool
    channels: int | None
    skip_damaged: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class Source:
    """A data set before splitting.

    Attributes:
        train: The images to split.
        validation: Its own validation set, if it has both that and a test set.
        test: Its own test set, or None to split one off ``train``.
        classes: Names by label.
        fits_memory: Whether images on disk may be cached in memory.
        notes: Notes for the user, such as the number of files that were passed over.
    """

    train: Images
    validation: Images | None = None
    test: Images | None = None
    classes: tuple[str, ...]
    fits_memory: bool = True
    notes: tuple[str, ...] = ()


Loader = Callable[[Request], Source]

Listing = Callable[[Path], Iterable[str]]
"""From a folder to the paths of the data set's files."""


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """A registered data set.

    Attributes:
        load: Loads its images.
        files: Lists the files that determine it.
    """

    load: Loader
    files: Listing


DATA_SETS: Registry[DataSet] = Registry("data set", package="nas.training.data")


def everything(root: Path) -> list[str]:
    """All files below a folder, without hidden files and the folders of tools."""
    return visible_files(root)


def nothing(root: Path) -> list[str]:
    """No files, for data sets that are determined by their names."""
    return []


def register(name: str, *, files: Listing = everything) -> Callable[[Loader], Loader]:
    """Registers a loader as ``data=name``.

    Args:
        name: Its name.
        files: Lists the files that determine it. Steps run again if they change.
    """

    def add(loader: Loader) -> Loader:
        DATA_SETS.add(name, DataSet(load=loader, files=files), source=loader)
        return loader

    return add
