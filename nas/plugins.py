"""Modules of the user's own: named by a run or a search space, or announced by an installed package."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from nas.errors import UserError

GROUP = "hwnas.plugins"
"""The entry point group by which an installed package names modules to import."""


def load_plugins(modules: Iterable[str] = (), *, folder: Path | None = None) -> dict[str, Path]:
    """Imports the plug-ins of installed packages, then the modules that a run names.

    Args:
        modules: Names of modules, or paths of Python files.
        folder: The folder in which they are looked for first; the working directory by default.

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

    Two folders may hold modules of one name: the second is imported under a name of its own.

    Args:
        name: A dotted name, or the path of a Python file.
        folder: The folder in which it is looked for first.

    Raises:
        UserError: If the module cannot be imported. The message names its file.
    """
    if name.endswith(".py"):
        path = (folder / name).resolve()
        name, folder = path.stem, path.parent
    folder = folder.resolve()
    file = _file_in(folder, name)
    with _import_errors(f"module {name!r}", beside=folder), _first_on_path(folder):
        loaded = sys.modules.get(name)
        if file is None or loaded is None or _is_of(loaded, file):
            return importlib.import_module(name)
        return _under_own_name(name, file)


def _file_in(folder: Path, name: str) -> Path | None:
    base = folder.joinpath(*name.split("."))
    files = (base.with_name(f"{base.name}.py"), base / "__init__.py")
    return next((file for file in files if file.is_file()), None)


def _is_of(module: ModuleType, file: Path) -> bool:
    return module.__file__ is not None and Path(module.__file__).resolve() == file


def _under_own_name(name: str, file: Path) -> ModuleType:
    own = f"{name}_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}"
    if own in sys.modules:
        return sys.modules[own]
    spec = importlib.util.spec_from_file_location(own, file)
    assert spec is not None and spec.loader is not None, file
    module = sys.modules[own] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[own]
        raise
    return module


@contextmanager
def _first_on_path(folder: Path) -> Iterator[None]:
    """Looks into the folder first while the body runs, and last from then on.

    Last, so that the module's functions and the processes that they start can import its neighbours.
    """
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        if str(folder) not in sys.path:
            sys.path.append(str(folder))


@contextmanager
def _import_errors(what: str, *, beside: Path | None = None) -> Iterator[None]:
    try:
        yield
    except UserError as error:
        raise UserError(f"{what}: {error}") from None
    except ModuleNotFoundError as error:
        where = "" if beside is None else f"put {error.name}.py into {beside}, or "
        raise UserError(
            f"{what} cannot be imported: there is no module {error.name!r}; {where}install it"
        ) from None
    except Exception as error:  # noqa: BLE001 - whatever a module of the user's raises
        raise UserError(f"{what} cannot be imported: {_place(error)}: {_reason(error)}") from None


def _place(error: Exception) -> str:
    """The file and line that raised."""
    if isinstance(error, SyntaxError) and error.filename is not None:
        return f"{error.filename}, line {error.lineno}"
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{frame.filename}, line {frame.lineno}"


def _reason(error: Exception) -> str:
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {' '.join(text.split())}" if text else type(error).__name__
