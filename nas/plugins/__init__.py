"""Plug-ins: modules that a run, a search space or an installed package names."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from nas.errors import UserError
from nas.plugins.folders import import_from, plain_name

GROUP = "hwnas.plugins"
"""The entry point group by which an installed package names modules to import."""


def load_plugins(modules: Iterable[str] = (), *, folder: Path | None = None) -> dict[str, Path]:
    """Imports the plug-ins of installed packages, then the modules that a run names.

    Args:
        modules: Names of modules, or paths of Python files.
        folder: The folder that is searched first; the working directory by default.

    Returns:
        The files of ``modules``, by name.

    Raises:
        UserError: If a module cannot be imported. The message names its file.
    """
    for point in sorted(entry_points(group=GROUP)):
        with _import_errors(f"plug-in {point.name} = {point.value}"):
            point.load()
    loaded = {name: load_module(name, folder=folder or Path.cwd()) for name in modules}
    return {name: Path(module.__file__) for name, module in loaded.items() if module.__file__ is not None}


def load_module(name: str, *, folder: Path) -> ModuleType:
    """Imports a module from a folder or, if the folder lacks it, from anywhere.

    Two folders may hold modules of the same name, see ``nas.plugins.folders``.

    Args:
        name: A dotted name, or the path of a Python file.
        folder: The folder that is searched first.

    Raises:
        UserError: If the module cannot be imported. The message names its file.
    """
    if name.endswith(".py"):
        path = (folder / name).resolve()
        name, folder = path.stem, path.parent
    with _import_errors(f"module {name!r}", beside=folder.resolve()):
        return import_from(folder.resolve(), name)


@contextmanager
def _import_errors(what: str, *, beside: Path | None = None) -> Iterator[None]:
    try:
        yield
    except UserError as error:
        raise UserError(f"{what}: {error}") from None
    except ModuleNotFoundError as error:
        missing = plain_name(str(error.name))
        where = "" if beside is None else f"put {missing}.py into {beside}, or "
        raise UserError(
            f"{what} cannot be imported: there is no module {missing!r}; {where}install it"
        ) from None
    except Exception as error:  # noqa: BLE001 - whatever a module of the user's raises
        raise UserError(f"{what} cannot be imported: {_place(error)}: {_reason(error)}") from None


def _place(error: Exception) -> str:
    """The file and line of an error."""
    if isinstance(error, SyntaxError) and error.filename is not None:
        return f"{error.filename}, line {error.lineno}"
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{frame.filename}, line {frame.lineno}"


def _reason(error: Exception) -> str:
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {' '.join(text.split())}" if text else type(error).__name__
