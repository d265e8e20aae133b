"""Kits in one zip file."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

from .errors import RunnerError
from .measure import MANIFEST


def kit_folder(kit: Path) -> Path:
    """The folder of a kit. A zip file is unpacked beside itself once.

    Raises:
        RunnerError: If the file is not a kit, or is cut off.
    """
    if not kit.is_file():
        return kit
    folder = kit.with_name(f"{kit.name.rsplit('.zip', 1)[0]}-unpacked")
    try:
        with zipfile.ZipFile(str(kit)) as archive:
            manifest = archive.read(MANIFEST)
            if (folder / MANIFEST).is_file() and (folder / MANIFEST).read_bytes() == manifest:
                return folder
            _unpack(archive, folder)
    except (zipfile.BadZipFile, EOFError):
        raise RunnerError(f"{kit} is not a zip file, or is cut off; copy it again") from None
    except KeyError:
        raise RunnerError(f"{kit} is not a kit: it has no {MANIFEST}; name the zip file of a kit") from None
    return folder


def _unpack(archive: zipfile.ZipFile, folder: Path) -> None:
    partial = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        archive.extractall(str(partial))
    except OSError:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    partial.replace(folder)
