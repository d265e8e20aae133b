"""Where named things live: the user's own folder first, then the ones that travel with the package."""

from __future__ import annotations

from pathlib import Path

from nas.errors import UserError, unknown

_PACKAGE = Path(__file__).resolve().parent


def shipped(folder: str) -> Path:
    """The folder of ours called ``folder``: inside an installed package, or beside it in a checkout."""
    inside = _PACKAGE / folder
    return inside if inside.is_dir() else _PACKAGE.parent / folder


def folders(folder: str) -> list[Path]:
    """The folders that are searched, in order: the one below the working directory, then ours."""
    own, ours = Path.cwd() / folder, shipped(folder)
    return [place for place in dict.fromkeys((own, ours)) if place.is_dir()]


def names(folder: str, suffix: str) -> list[str]:
    """The names that can be found in ``folder``, without ``suffix``, sorted."""
    found = {path.name.removesuffix(suffix) for place in folders(folder) for path in place.glob(f"*{suffix}")}
    return sorted(found)


def find(folder: str, name: str | Path, suffix: str, *, what: str) -> Path:
    """The file that ``name`` stands for.

    Args:
        folder: The kind of thing, which is also the folder's name, e.g. ``"search_spaces"``.
        name: A path to a file, or a bare name to look up.
        suffix: The ending that a bare name leaves out, e.g. ``".yaml"``.
        what: The kind of thing in words, for the message.

    Raises:
        UserError: If there is no such file; the message lists the names that exist.
    """
    path = Path(name)
    if path.suffix == suffix or len(path.parts) > 1:
        if path.is_file():
            return path
        known = ", ".join(names(folder, suffix))
        raise UserError(f"{what} file {path} does not exist; give an existing path, or a name: {known}")
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
