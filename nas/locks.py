"""Locks on files, which end with the process that holds them, however it ends.

The system's own locks do. A network file system may have none: then a second file names the process that
holds the lock. It is created in one step, as a hard link, and a process of the same machine sees when the
holder has ended.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from nas.errors import UserError
from nas.processes import identity, is_gone

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL)
_POLL_S = 0.02
_PATIENCE_S = 60.0  # lines are appended in milliseconds
_held: set[int] = set()
"""The file descriptors that this process has locked."""


@contextmanager
def locked(stream: IO[bytes], *, shared: bool = False, busy: str | None = None) -> Iterator[None]:
    """Locks an open file for this process. The lock ends however the process ends.

    Args:
        stream: The file.
        shared: Whether other processes may hold a shared lock at the same time.
        busy: The message if another process holds the lock; by default this waits for it.

    Raises:
        UserError: With ``busy``, if another process holds the lock; if it may be held by a process that
            ended on another machine; if the file system can lock nothing.
    """
    try:
        release = _take(stream, shared=shared, wait=busy is None)
    except BlockingIOError as held:
        raise UserError(f"{busy or f'{stream.name} is locked'}{held.strerror or ''}") from None
    _held.add(stream.fileno())
    try:
        yield
    finally:
        _held.discard(stream.fileno())
        release()


def _take(stream: IO[bytes], *, shared: bool, wait: bool) -> Callable[[], None]:
    """Takes the lock, and returns what releases it; a ``BlockingIOError`` says that it is held."""
    try:
        _lock(stream, shared=shared, wait=wait)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            raise BlockingIOError(error.errno, "") from None
        if error.errno not in _NO_LOCKS:
            raise
        return _take_by_link(Path(os.fsdecode(stream.name)), shared=shared, wait=wait)
    # The previous holder may have removed the file in the meantime: then this lock protects nothing.
    if not wait and os.fstat(stream.fileno()).st_nlink == 0:
        raise BlockingIOError(errno.EAGAIN, "")
    return lambda: _unlock(stream)


def _lock(stream: IO[bytes], *, shared: bool, wait: bool) -> None:
    if sys.platform == "win32":  # all locks are exclusive there
        import msvcrt

        msvcrt.locking(stream.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        fcntl.flock(stream, kind if wait else kind | fcntl.LOCK_NB)


def _unlock(stream: IO[bytes]) -> None:
    if sys.platform != "win32":  # there, closing the file does it
        import fcntl

        fcntl.flock(stream, fcntl.LOCK_UN)


def _take_by_link(path: Path, *, shared: bool, wait: bool) -> Callable[[], None]:
    """Takes a lock where the system has none, by a file that names this process.

    Those who share a lock hold nothing: they only wait for one who does not share it.
    """
    lock = path.with_name(f".{path.name.lstrip('.')}.holder")
    until = time.monotonic() + _PATIENCE_S
    while not (_is_free(lock) if shared else _link(lock)):
        holder = _holder(lock)
        if holder and is_gone(holder):
            _break(lock, holder)
        if not lock.exists():  # it was released meanwhile
            continue
        remedy = f" ({lock} names {holder or 'no process'}; delete it if that process has ended)"
        if not wait:
            raise BlockingIOError(errno.EAGAIN, remedy)
        if time.monotonic() > until:
            raise UserError(f"{path} is locked by another process{remedy}")
        time.sleep(_POLL_S)
    return lambda: None if shared else _remove_own(lock)


def _is_free(lock: Path) -> bool:
    return not lock.exists()


def _link(lock: Path) -> bool:
    """Makes the file in one step, with its content; ``False`` if it exists."""
    own = lock.with_name(f"{lock.name}-{os.getpid()}")
    try:
        own.write_text(identity(), encoding="utf-8")
        lock.hardlink_to(own)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in (*_NO_LOCKS, errno.EPERM):
            raise
        raise UserError(
            f"the file system of {lock.parent} has neither locks nor hard links, so a second process could "
            "not be kept out; name a folder on another one: run_dir=FOLDER"
        ) from None
    finally:
        own.unlink(missing_ok=True)
    return True


def _holder(lock: Path) -> str:
    """The process that a lock names; empty if it was released meanwhile, or is damaged."""
    try:
        text = lock.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
    return text if text.count("/") == 2 and text.split("/")[1].isdigit() else ""


def _break(lock: Path, holder: str) -> None:
    """Removes the lock of a process that has ended, unless another process has replaced it meanwhile."""
    aside = lock.with_name(f"{lock.name}-{os.getpid()}-ended")
    with suppress(FileNotFoundError):
        lock.rename(aside)
        if _holder(aside) != holder:
            with suppress(FileExistsError):
                lock.hardlink_to(aside)
        aside.unlink()


def _remove_own(lock: Path) -> None:
    """Removes the lock of this process; a forked process leaves that of its parent."""
    if _holder(lock) == identity():
        lock.unlink(missing_ok=True)


def _forget() -> None:
    """Lets go of all locks in a forked process: it would hold them after the death of this one."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in _held:
        os.dup2(null, descriptor, inheritable=False)
    os.close(null)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
