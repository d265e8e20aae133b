"""The output of a command: lines on the terminal, and the same lines in the log.

Terminals and pipes may have any encoding, and pipes may be closed early.
"""

from __future__ import annotations

import io
import logging
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn, TextIO

from rich.console import Console

from nas.files import is_full
from nas.masking import masked

USER_ERROR = 2
READER_GONE = 141
"""A shell's exit code for a program ended by SIGPIPE, such as other tools in ``… | head``."""


class _Screen(Console):
    def on_broken_pipe(self) -> NoReturn:
        raise SystemExit(READER_GONE)  # in a thread, this ends the thread silently


LOG = logging.getLogger("nas")
LOG.addHandler(logging.NullHandler())  # otherwise Python prints errors itself while no log is open
CONSOLE = _Screen(highlight=False)


def say(text: str) -> None:
    """Prints and logs a line; passwords in addresses are masked."""
    text = masked(text)
    show(text)
    LOG.info(text)


def show(text: str) -> None:
    """Prints a line; on a terminal, it breaks between words."""
    CONSOLE.print(text, markup=False, soft_wrap=not CONSOLE.is_terminal)


def error(message: str, *, prefix: str = "error: ") -> None:
    """Prints an error to stderr and logs it; passwords in addresses are masked."""
    message = masked(message)
    with suppress(OSError):  # the exit code remains
        print(f"{prefix}{message}", file=sys.stderr)
    LOG.error(message)


@contextmanager
def silence() -> Iterator[None]:
    """Shows only errors while the body runs."""
    quiet, CONSOLE.quiet = CONSOLE.quiet, True
    try:
        yield
    finally:
        CONSOLE.quiet = quiet


@contextmanager
def log_to(path: Path) -> Iterator[None]:
    """Appends our log lines and the warnings of libraries to a file; prints the lines of our modules."""
    handler = _LogFile(path, delay=True, encoding="utf-8", errors="backslashreplace")
    handler.addFilter(lambda record: record.name.startswith("nas") or record.levelno >= logging.WARNING)
    handler.setFormatter(_MaskingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    screen = _OnScreen()
    root.addHandler(screen)
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.setLevel(level)
        root.removeHandler(screen)
        root.removeHandler(handler)
        with suppress(OSError):  # a full disk is reported where results are written
            handler.close()


class _LogFile(logging.FileHandler):
    """A log file that ignores faults of opening, too; Python's own handler ignores those of writing only."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except OSError:
            self.handleError(record)


class _OnScreen(logging.Handler):
    """Prints the log lines of modules below the command line, which prints its own lines."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith("nas.") and record.levelno >= logging.INFO:
            level = f"{record.levelname.lower()}: " if record.levelno > logging.INFO else ""
            show(f"{level}{masked(record.getMessage())}")


class _MaskingFormatter(logging.Formatter):
    """Masks passwords in addresses, also in the messages of libraries."""

    def format(self, record: logging.LogRecord) -> str:
        return masked(super().format(record))


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
