"""Kits in one zip file."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

from .errors import RunnerError
from .measure import MANIFEST

LARGEST_RATIO = 500
"""A kit expands by at most this factor: random weights hardly compress, the manifest about tenfold."""


def kit_folder(kit: Path) -> Path:
    """The folder of a kit. A zip file is unpacked beside itself once.

    Raises:
        RunnerError: If the file is not a kit, is cut off, or would fill the disk.
    """
    if not kit.is_file():
        return kit
    folder = kit.with_name(f"{kit.name.rsplit('.zip', 1)[0]}-unpacked")
    try:
        with zipfile.ZipFile(str(kit)) as archive:
            _check_size(archive, kit)
            manifest = archive.read(MANIFEST)
            if (folder / MANIFEST).is_file() and (folder / MANIFEST).read_bytes() == manifest:
                return folder
            _unpack(archive, folder)
    except (zipfile.BadZipFile, EOFError):
        raise RunnerError(f"{kit} is not a zip file, or is cut off; copy it again") from None
    except KeyError:
        raise RunnerError(f"{kit} is not a kit: it has no {MANIFEST}; name the zip file of a kit") from None
    return folder


def _check_size(archive: zipfile.ZipFile, kit: Path) -> None:
    """Raises a ``RunnerError`` for a file that was made to fill the disk."""
    unpacked = sum(item.file_size for item in archive.infolist())
    if unpacked > LARGEST_RATIO * max(kit.stat().st_size, 1):
        raise RunnerError(
            f"{kit} would unpack to {unpacked / 1e9:.1f} GB, over {LARGEST_RATIO} times its "
            "size; that is no kit: write it again"
        )


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
