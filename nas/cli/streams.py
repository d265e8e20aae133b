"""The standard streams of a command: terminals and pipes of any encoding, and pipes closed early."""

from __future__ import annotations

import io
import logging
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from nas.files import is_full

USER_ERROR = 2
READER_GONE = 141
"""A shell's exit code for a program ended by SIGPIPE, such as other tools in ``… | head``."""


@contextmanager
def standard_streams() -> Iterator[None]:
    """Makes the standard streams safe to print to while the body runs.

    Characters missing from a stream's encoding are replaced. Failures to write the log are ignored, because
    the code that writes results reports them.

    Raises:
        SystemExit: With ``READER_GONE`` if a stream's reader has gone; with ``USER_ERROR`` if a stream cannot
            be written, such as a file on a full disk.
    """
    logging.raiseExceptions = False
    for stream in _streams():
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="replace")
    try:
        try:
            yield
        finally:
            for stream in _streams():
                stream.flush()
    except OSError as error:
        is_unread = isinstance(error, BrokenPipeError) and not all(map(_has_reader, _streams()))
        if not is_unread and not is_full(error):
            raise
        for stream in _streams():
            _empty(stream)
        if is_unread:
            raise SystemExit(READER_GONE) from None
        print(f"error: cannot print ({str(error.strerror).lower()})", file=sys.stderr)
        raise SystemExit(USER_ERROR) from None


def _streams() -> list[TextIO]:
    return [stream for stream in (sys.stdout, sys.stderr) if stream is not None]


def _has_reader(stream: TextIO) -> bool:
    """Whether the other end of a pipe is open; ``True`` for other files."""
    try:
        waiting = select.poll()
        waiting.register(stream.fileno(), 0)
    except AttributeError:  # Windows has no poll
        return False
    except OSError:  # not a file descriptor of the system
        return True
    return not any(event & select.POLLERR for _, event in waiting.poll(0))


def _empty(stream: TextIO) -> None:
    """Discards a stream's unwritten and further output; otherwise Python reports an error at exit."""
    try:
        stream.flush()
    except OSError:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
