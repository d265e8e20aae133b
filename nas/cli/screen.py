"""The output of a command: lines and progress bars on the terminal, the same lines in the log.

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
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO, final

import rich.progress
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn

from nas.files import is_full
from nas.masking import masked

if TYPE_CHECKING:
    from nas.runner.protocol import Progress as Measuring
    from nas.training.loop import Progress


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
    CONSOLE.print(text, markup=False, soft_wrap=True)
    LOG.info(text)


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
    handler = logging.FileHandler(path, delay=True, encoding="utf-8", errors="backslashreplace")
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


class _OnScreen(logging.Handler):
    """Prints the log lines of modules below the command line, which prints its own lines."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith("nas.") and record.levelno >= logging.INFO:
            level = f"{record.levelname.lower()}: " if record.levelno > logging.INFO else ""
            CONSOLE.print(f"{level}{masked(record.getMessage())}", markup=False, soft_wrap=True)


class _MaskingFormatter(logging.Formatter):
    """Masks passwords in addresses, also in the messages of libraries."""

    def format(self, record: logging.LogRecord) -> str:
        return masked(super().format(record))


@final
@dataclass(frozen=True)
class Bar:
    """A visible progress bar."""

    progress: rich.progress.Progress
    task: TaskID

    def start(self, total: int) -> None:
        """Sets the number of steps."""
        self.progress.update(self.task, total=total)

    def step(self) -> None:
        """Counts one step."""
        self.progress.advance(self.task)

    def show(self, done: int, total: int) -> None:
        """Sets the completed and the total steps."""
        self.progress.update(self.task, completed=done, total=total)

    def follow(self, progress: Progress) -> None:
        """Shows the progress and speed of a training."""
        speed = "" if progress.images_per_s is None else f"{progress.images_per_s:,.0f} images/s"
        self.progress.update(self.task, completed=progress.step, total=progress.steps, speed=speed)

    def left(self, done: int, total: int, seconds: float) -> None:
        """Sets the completed and total steps and an estimate of the remaining time."""
        self.progress.update(self.task, completed=done, total=total, note=f"{seconds:.0f} s left")

    def measured(self, now: Measuring) -> None:
        """Shows the progress of a measurement and prints its note."""
        if now.note:
            say(now.note)
        self.left(now.done, now.total, now.seconds_left)

    def note(self, text: str) -> None:
        """Shows a short text after the bar."""
        self.progress.update(self.task, note=text)


@contextmanager
def progress_bar(what: str, *, total: int | None = None) -> Iterator[Bar]:
    """Shows a progress bar while the body runs."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        TextColumn("{task.fields[speed]}"),
        TextColumn("{task.fields[note]}"),
    )
    with rich.progress.Progress(*columns, console=CONSOLE) as bars:
        yield Bar(bars, bars.add_task(what, total=total, note="", speed=""))


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
