"""Python modules in users' folders: files of the same name in two folders are two modules.

Each folder is a package, ``nas.plugins.folders.FOLDER``, and ``FOLDER`` spells its path. Any process can
therefore import such a module by its name: a worker, a process that unpickles one of its objects,
``torch.compile``.
"""

from __future__ import annotations

import importlib
import os
import re
import string
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

__path__: list[str] = []  # lets this module have submodules, which `_FolderFinder` finds
_PLAIN = frozenset((string.ascii_letters + string.digits).encode())


def import_from(folder: Path, name: str) -> ModuleType:
    """Imports a module from a folder or, if the folder lacks it, from wherever Python finds it.

    The modules of a folder import each other by their plain names, as scripts do, or by relative imports. An
    import inside a function has to be relative if two folders have a module of that name.

    Args:
        folder: An absolute path.
        name: A dotted name.

    Raises:
        ImportError: If the module cannot be found.
    """
    file = file_of(folder, name)
    with _neighbours_of(folder):
        loaded = sys.modules.get(name)
        if file is not None and not _is_of(loaded, file):
            name = f"{_package(folder)}.{name}"
        return importlib.import_module(name)


def file_of(folder: Path, name: str) -> Path | None:
    """The file of a module below a folder by its dotted name, ``None`` if there is none."""
    base = folder.joinpath(*name.split("."))
    files = (base.with_name(f"{base.name}.py"), base / "__init__.py")
    return next((file for file in files if file.is_file()), None)


def plain_name(name: str) -> str:
    """The name of a module as its author wrote it."""
    return re.sub(rf"^{re.escape(__name__)}\.\w+\.", "", name)


def _is_of(module: ModuleType | None, file: Path) -> bool:
    """Whether a loaded module comes from ``file``."""
    origin = module.__spec__.origin if module and module.__spec__ else None
    return origin is not None and Path(origin).resolve() == file.resolve()


def _package(folder: Path) -> str:
    """The name of a folder's package: letters and digits are kept, other bytes become ``_xx``."""
    path = os.fsencode(folder)
    return f"{__name__}." + "".join(chr(byte) if byte in _PLAIN else f"_{byte:02x}" for byte in path)


def _folder(name: str) -> str:
    """The inverse of ``_package``, without the prefix."""
    return os.fsdecode(re.sub(rb"_([0-9a-f]{2})", lambda m: bytes([int(m[1], 16)]), name.encode("ascii")))


class _FolderFinder(MetaPathFinder):
    """Finds the packages of folders, in any process."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        parent, _, name = fullname.rpartition(".")
        if parent != __name__:
            return None
        spec = ModuleSpec(fullname, None, is_package=True)
        spec.submodule_search_locations = [_folder(name)]
        return spec


class _PlainFinder(MetaPathFinder):
    """Finds the modules of folders by their plain names.

    Args:
        folder: The only folder; by default each folder that a loaded module comes from.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.startswith(__name__):
            return None
        folders = _loaded_folders() if self._folder is None else [self._folder]
        folders = [folder for folder in folders if file_of(folder, fullname) is not None]
        if len(folders) > 1:
            raise ImportError(
                f"there is a module {fullname!r} in {' and in '.join(map(str, folders))}; inside functions, "
                f"write `from . import {fullname}`"
            )
        return ModuleSpec(fullname, _Alias(f"{_package(folders[0])}.{fullname}")) if folders else None


class _Alias(Loader):
    """Loads a module of a folder's package under its plain name."""

    def __init__(self, name: str) -> None:
        self._module = importlib.import_module(name)
        self._spec = self._module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec  # the import system has replaced it by the alias's


sys.meta_path += [_FolderFinder(), _PlainFinder()]


@contextmanager
def _neighbours_of(folder: Path) -> Iterator[None]:
    """Prefers the modules of a folder to all others not yet loaded, while the body runs."""
    finder = _PlainFinder(folder)
    _forget_plain_names()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        _forget_plain_names()


def _forget_plain_names() -> None:
    """Frees the plain names of all folders' modules for those of another folder."""
    for name, module in list(sys.modules.items()):
        own = getattr(module, "__name__", name)
        if own != name and own.startswith(f"{__name__}."):
            del sys.modules[name]


def _loaded_folders() -> list[Path]:
    prefix = f"{__name__}."
    names = [name.removeprefix(prefix) for name in list(sys.modules) if name.startswith(prefix)]
    return [Path(_folder(name)) for name in names if "." not in name]
