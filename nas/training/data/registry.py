"""What a data set's file provides, and how it makes itself known."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from nas.registry import Registry
from nas.training.data.images import Images
from nas.training.data.listing import visible_files


@dataclass(frozen=True, kw_only=True)
class Request:
    """The settings that a data set is loaded with.

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
    """A data set as it comes.

    Attributes:
        train: The images to split.
        validation: Its own validation set, if it has one beside a test set.
        test: Its own test set, or None if one has to be taken from ``train``.
        classes: Names, by label.
        fits_memory: Whether images on disk may be cached in memory.
        notes: Sentences that the user should read, such as how many files were passed over.
    """

    train: Images
    validation: Images | None = None
    test: Images | None = None
    classes: tuple[str, ...]
    fits_memory: bool = True
    notes: tuple[str, ...] = ()


Loader = Callable[[Request], Source]

Listing = Callable[[Path], Iterable[str]]
"""The paths of the files that hold a data set, from its folder."""


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """A registered data set.

    Attributes:
        load: Gives its images.
        files: The files whose change makes it another data set.
    """

    load: Loader
    files: Listing


DATA_SETS: Registry[DataSet] = Registry("data set", package="nas.training.data")


def everything(root: Path) -> list[str]:
    """All files below a folder, without hidden files and the folders of tools."""
    return visible_files(root)


def nothing(root: Path) -> list[str]:
    """No files: for data sets whose name says what is in them."""
    return []


def register(name: str, *, files: Listing = everything) -> Callable[[Loader], Loader]:
    """Makes a loader known as ``data=name``.

    Args:
        name: Its name.
        files: The files whose change makes it another data set, so that steps are done again.
    """

    def add(loader: Loader) -> Loader:
        DATA_SETS.add(name, DataSet(load=loader, files=files), source=loader)
        return loader

    return add
