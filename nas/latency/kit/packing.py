"""Packing the runner or a kit into one file. Equal content gives equal bytes."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path

from nas import runner
from nas.files import atomic
from nas.runner import runtimes

RUNNER = "measure.pyz"
_PACKAGE = "hwnas_measure"
_MAIN = f"""import os
import sys

if sys.version_info < (3, 9):
    sys.stderr.write("error: this is Python %d.%d, but 3.9 or later is needed\\n" % sys.version_info[:2])
    sys.exit(2)
try:
    import numpy
except ImportError:
    sys.stderr.write("error: numpy is not installed here; pip install numpy\\n")
    sys.exit(2)
from {_PACKAGE}.MODULE import main

code = main()
sys.stdout.flush()
sys.stderr.flush()
os._exit(code)  # models that are still open are not closed one by one
"""
_EPOCH = (1980, 1, 1, 0, 0, 0)


def pack_runner(path: Path, *, module: str = "__main__") -> None:
    """Writes the runner as one file that Python runs: ``python measure.pyz KIT TABLE``.

    Args:
        path: The file.
        module: The module of the runner whose ``main`` is the program.
    """
    folder = Path(runner.__file__).parent
    files = [(f"{_PACKAGE}/{file.relative_to(folder).as_posix()}", file) for file in folder.rglob("*.py")]
    files += [(f"{_PACKAGE}/runtimes/{name}.py", file) for name, file in runtimes.registered().items()]
    with atomic(path) as temporary:
        with temporary.open("wb") as stream:
            stream.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(temporary, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(zipfile.ZipInfo("__main__.py", _EPOCH), _MAIN.replace("MODULE", module))
            _add(archive, files)


def pack_folder(folder: Path, names: Iterable[str], path: Path) -> None:
    """Writes files of a folder into one zip file.

    Args:
        folder: The folder.
        names: The files, relative to it.
        path: The zip file.
    """
    with atomic(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, [(name, folder / name) for name in names])


def _add(archive: zipfile.ZipFile, files: Iterable[tuple[str, Path]]) -> None:
    for name, file in sorted(files):
        about = zipfile.ZipInfo(name, _EPOCH)
        about.external_attr = 0o644 << 16
        archive.writestr(about, file.read_bytes(), zipfile.ZIP_DEFLATED, compresslevel=1)
