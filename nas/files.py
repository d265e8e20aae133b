"""Reading and writing files; a killed program leaves either the old file or the new one."""

from __future__ import annotations

import codecs
import csv
import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from nas.errors import UserError, yaml_fault
from nas.locks import locked

YAML_FAULTS = (ValueError, LookupError, AttributeError, RecursionError)
"""What PyYAML raises besides ``YAMLError``: for 2026-02-30, long numbers, thousands of brackets."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_REFUSALS = (*_FULL, errno.EROFS)
_LEAST_ROOM = 16 * 1024  # a disk with less than four blocks is full
_TEMPORARY = ".~"  # how the names of temporary files and folders begin
_TAIL = 4096  # bytes per read when searching for the last line's end


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Gives a temporary path beside ``path`` and renames it to ``path`` if the body succeeds.

    The temporary file has the same suffix, since many writers choose the format by it.

    Raises:
        OSError: With ``path``, if the disk is full or read-only, in place of a library's own error.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f"{_TEMPORARY}{path.stem}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        with _refusals(path):
            yield temporary
            temporary.chmod(0o644)  # mkstemp creates files that only their owner can read
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Gives a temporary folder beside ``path`` and renames it to ``path`` if the body succeeds.

    The temporary folder has the same suffix. A folder of that name is replaced.

    Raises:
        OSError: As ``atomic``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(
        tempfile.mkdtemp(prefix=f"{_TEMPORARY}{path.stem}.", suffix=path.suffix, dir=path.parent)
    )
    try:
        with _refusals(path):
            yield temporary
            temporary.chmod(0o755)  # mkdtemp creates folders that only their owner can read
            shutil.rmtree(path, ignore_errors=True)
            temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_temporaries(folder: Path) -> None:
    """Removes what killed writers have left below a folder that no other process writes."""
    for path in list(folder.rglob(f"{_TEMPORARY}*")):
        remove(path)


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """Turns a library's report of a refused write into an ``OSError`` with ``path``."""
    try:
        yield
    except Exception as error:
        for code in _REFUSALS:
            if os.strerror(code) in str(error):
                raise OSError(code, os.strerror(code), str(path)) from error
        raise


def cache_folder() -> Path:
    """The folder of the user's cache for this project."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hwnas"


def refused_write(error: BaseException) -> OSError | None:
    """The cause of ``error`` if it is a refused write; ``None`` for all other errors.

    The disk is full or read-only, or a quota or a limit on file sizes is reached.
    """
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:  # OmegaConf raises an error from itself
        if isinstance(cause, OSError) and cause.errno in _REFUSALS:
            return cause
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    return None


def require_room(folder: Path) -> None:
    """Raises the ``OSError`` of a full disk, if less than ``_LEAST_ROOM`` bytes are free at ``folder``.

    Programs in C++ do not always report a refused write.
    """
    if shutil.disk_usage(folder).free < _LEAST_ROOM:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def is_full(error: OSError) -> bool:
    """Whether more room on the disk, or in a quota, would have prevented ``error``."""
    return error.errno in _FULL


def write_text(path: Path, text: str) -> None:
    """Writes ``text`` to ``path`` atomically, in UTF-8."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def copy(source: Path, path: Path) -> None:
    """Copies a file to ``path`` atomically."""
    with atomic(path) as temporary:
        shutil.copyfile(source, temporary)


def write_json(path: Path, value: Any) -> None:
    """Writes ``value`` to ``path`` atomically as indented JSON."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def read_text(path: Path) -> str:
    """Reads a text in UTF-8, with or without a byte order mark. Line ends are not changed.

    Raises:
        OSError: If the file cannot be read.
        UserError: If the text has another encoding. The message names it, or the first invalid line.
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
    except UserError:
        raise
    except (ValueError, RecursionError) as error:  # numbers of 5,000 digits, thousands of brackets
        raise UserError(f"{path} is not valid JSON ({error}); it may be cut off: write it again") from None


def read_yaml(path: Path) -> Any:
    """Reads a YAML file of plain values.

    Raises:
        OSError: If the file cannot be read.
        UserError: If it is not YAML or not in UTF-8. The message names the line.
    """
    import yaml

    text = read_text(path)
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, *YAML_FAULTS) as error:
        raise UserError(f"{path} is not valid YAML: {yaml_fault(error)}") from None


def read_csv(path: Path, *, remedy: str = "make it again") -> list[dict[str, str]]:
    """Reads the rows of a CSV file with a header.

    Args:
        path: The file.
        remedy: The advice in the message about a damaged file.

    Raises:
        UserError: If the file does not exist, is not CSV in UTF-8, or has a row with more or fewer cells than
            its header.
    """
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            rows = list[dict[str, str]]()
            for row in reader:
                if None in row or None in row.values():  # keys and values that the reader makes up
                    fault = f"line {reader.line_num} has more or fewer cells than the header"
                    raise UserError(f"{path} cannot be read ({fault}); {remedy}")
                rows.append(row)
            return rows
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; name an existing file") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid CSV ({error}); {remedy}") from None


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
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        reason = str(error) if isinstance(error, UserError) else repr(error)
        raise UserError(f"{path} cannot be read ({reason}); {remedy}") from None


def sha256(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def content_sha256(path: Path) -> str:
    """The hash of a file, or of a folder: of the names and hashes of all files below it."""
    if path.is_file():
        return sha256(path)
    return hashlib.sha256(
        "".join(f"{file.relative_to(path).as_posix()} {sha256(file)}\n" for file in _files(path)).encode()
    ).hexdigest()


def remove(path: Path) -> None:
    """Removes a file or a folder, if it exists."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def content_bytes(path: Path) -> int:
    """The size of a file, or of all files below a folder."""
    return path.stat().st_size if path.is_file() else sum(file.stat().st_size for file in _files(path))


def _files(folder: Path) -> list[Path]:
    """Lists the files below a folder in a fixed order, without Python's caches."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")


def append_lines(path: Path, lines: Sequence[str], *, sync: bool = True) -> None:
    """Appends whole lines to a file that several processes write, any of which may be killed.

    Args:
        path: The file, which is created if missing. Its folder must exist.
        lines: The lines, without line ends.
        sync: Whether to wait until they are on the disk. Otherwise they survive a killed process, but not a
            machine that stops.
    """
    with path.open("ab+") as stream, locked(stream):
        _drop_partial_line(stream)
        stream.write("".join(f"{line}\n" for line in lines).encode())
        stream.flush()
        if sync:
            os.fsync(stream.fileno())


def drop_partial_line(path: Path) -> None:
    """Removes an incomplete last line, which a killed process has left."""
    if path.exists():
        with path.open("rb+") as stream, locked(stream):
            _drop_partial_line(stream)


def _drop_partial_line(stream: IO[bytes]) -> None:
    size = end = stream.seek(0, os.SEEK_END)
    while end > 0:
        start = max(0, end - _TAIL)
        stream.seek(start)
        tail = stream.read(end - start)
        line_end = tail.rfind(b"\n")
        if line_end >= 0:
            end = start + line_end + 1
            break
        end = start
    if end < size:
        stream.truncate(end)
        stream.flush()
    stream.seek(0, os.SEEK_END)
