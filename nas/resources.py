"""Named files: the user's folder comes first, then the folder that ships with the package."""

from __future__ import annotations

from pathlib import Path

from nas.errors import UserError, unknown

_PACKAGE = Path(__file__).resolve().parent


def shipped(folder: str) -> Path:
    """The shipped folder ``folder``: inside an installed package, or beside it in a checkout."""
    inside = _PACKAGE / folder
    return inside if inside.is_dir() else _PACKAGE.parent / folder


def folders(folder: str) -> list[Path]:
    """The existing folders in search order: below the working directory, then shipped."""
    own, ours = Path.cwd() / folder, shipped(folder)
    return [place for place in dict.fromkeys((own, ours)) if place.is_dir()]


def names(folder: str, suffix: str) -> list[str]:
    """All names in ``folder``, without ``suffix``, sorted."""
    paths = (path for place in folders(folder) for path in place.glob(f"*{suffix}"))
    return sorted({path.name.removesuffix(suffix) for path in paths})


def find(folder: str, name: str | Path, suffix: str, *, what: str) -> Path:
    """Finds the file for ``name``.

    Args:
        folder: The folder's name, e.g. ``"search_spaces"``.
        name: A path, or a bare name.
        suffix: The file suffix, which a bare name omits, e.g. ``".yaml"``.
        what: The kind of file, for the message.

    Raises:
        UserError: If the file does not exist. The message lists the existing names.
    """
    path = Path(name)
    if path.suffix == suffix or len(path.parts) > 1:
        if path.is_file():
            return path
        existing = ", ".join(names(folder, suffix))
        raise UserError(f"{what} file {path} does not exist; give an existing path, or a name: {existing}")
    for place in folders(folder):
        candidate = place / f"{name}{suffix}"
        if candidate.is_file():
            return candidate
    raise unknown(
        what,
        name,
        names(folder, suffix),
        hint=f"Your own {suffix} file can be named by its path, or put into ./{folder}/",
    )
