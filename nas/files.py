"""Reading and writing files; a killed program leaves either the old file or the new one."""

from __future__ import annotations

import codecs
import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nas.errors import UserError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_REFUSALS = (*_FULL, errno.EROFS)


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Gives a temporary path beside ``path`` and renames it to ``path`` if the body succeeds.

    The temporary file keeps the suffix, by which many writers choose their format.

    Raises:
        OSError: With ``path``, if the disk is full or read-only; it replaces a library's own error.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)  # mkstemp makes files that only their owner can read
        temporary.replace(path)
    except Exception as error:
        for code in _REFUSALS:
            if os.strerror(code) in str(error):
                raise OSError(code, os.strerror(code), str(path)) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def refused_write(error: BaseException) -> OSError | None:
    """The cause of ``error`` that is a disk that takes no more; ``None`` for all other errors.

    Such a disk is full or read-only, or a quota or a limit of file sizes is reached.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in _REFUSALS:
            return cause
        cause = cause.__cause__ or cause.__context__
    return None


def is_full(error: OSError) -> bool:
    """Whether room on the disk, or in a quota, would have prevented ``error``."""
    return error.errno in _FULL


def write_text(path: Path, text: str) -> None:
    """Writes ``text`` to ``path`` atomically, in UTF-8."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Writes ``value`` to ``path`` atomically as indented JSON."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def read_text(path: Path) -> str:
    """Reads a text in UTF-8, with or without a byte order mark; line ends stay as they are.

    Raises:
        OSError: If the file cannot be read.
        UserError: If the text is in another encoding; the message names it, or the line that does not fit.
    """
    content = path.read_bytes()
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in content:  # UTF-32 has both
        raise UserError(f"{path} is encoded in UTF-16 or is no text; save it in UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path}, line {line}: byte 0x{content[error.start]:02x} is not UTF-8; the file seems to be "
            "encoded in Latin-1 or Windows-1252: save it in UTF-8"
        ) from None


def read_json(path: Path) -> Any:
    """Reads a JSON file.

    Raises:
        UserError: If the file is missing, is not JSON or not in UTF-8.
    """
    try:
        return json.loads(read_text(path))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; name an existing file") from None
    except json.JSONDecodeError as error:
        raise UserError(f"{path} is not valid JSON ({error}); it may be cut off: write it again") from None


@contextmanager
def fields_of(path: Path, *, remedy: str) -> Iterator[None]:
    """Turns parsing errors in the body into a ``UserError`` that names the file.

    Args:
        path: The file.
        remedy: The advice in the message, e.g. ``search again: nas search``.

    Raises:
        UserError: If a key is missing or a value has another type.
    """
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        reason = str(error) if isinstance(error, UserError) else repr(error)
        raise UserError(f"{path} cannot be read ({reason}); {remedy}") from None


def sha256(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
