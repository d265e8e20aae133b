"""From what the user names to weights: a network's name, a file, or the folder of an earlier run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

from nas.errors import UserError, unknown
from nas.pretrained.base import SOURCES, Start, Store
from nas.pretrained.supernet_start import SUMMARY, SupernetStart, supernet_files
from nas.pretrained.tensor_file import SUFFIXES, read_tensors


@final
@dataclass(frozen=True, kw_only=True)
class Located:
    """Files of weights that are not read yet.

    Attributes:
        files: The files by what they are, for a step's inputs.
        source: Name of the source that found them; empty for a file or folder of the user's.
    """

    files: Mapping[str, Path]
    source: str = ""

    def read(self) -> Start:
        """The weights.

        Raises:
            UserError: If they are damaged, or no source knows their tensors.
        """
        if SUMMARY in self.files:
            return SupernetStart.read(self.files)
        file = read_tensors(self.files["weights"])
        for name in [self.source] if self.source else SOURCES.names():
            start = SOURCES.find(name)().start(file)
            if start is not None:
                return start
        first = next(iter(file.tensors))
        raise UserError(
            f"{file.path} holds {len(file.tensors)} tensors ({first}, …); no source knows these names. "
            f"Sources: {', '.join(SOURCES.names())}"
        )


def pretrained_names() -> dict[str, str]:
    """The networks that are found by name, and their sources."""
    return {name: source for source in SOURCES.names() for name in SOURCES.find(source)().names()}


def locate(init: str, *, store: Store | None = None) -> Located:
    """Finds the files of weights.

    Args:
        init: The name of a pretrained network, a file of weights, a run folder or its supernet's folder.
        store: Where the files of named networks lie.

    Raises:
        UserError: If there is no such name, file or folder.
    """
    names = pretrained_names()
    if init in names:
        source = SOURCES.find(names[init])()
        return Located(files={"weights": source.find(init, store=store or Store())}, source=names[init])
    path = Path(init).expanduser()
    if path.is_dir():
        return Located(files=supernet_files(path))
    if path.is_file():
        return Located(files={"weights": path})
    if path.suffix in SUFFIXES or len(path.parts) > 1:
        raise UserError(
            f"{init} does not exist; name a file of weights, a run folder, or one of {', '.join(names)}"
        )
    hint = "A file or a run folder is named by its path"
    raise unknown("pretrained network", init, names, hint=hint)


def find_start(init: str, *, store: Store | None = None) -> Start:
    """Reads the weights that ``init`` names; arguments and errors are those of :func:`locate`."""
    return locate(init, store=store).read()
