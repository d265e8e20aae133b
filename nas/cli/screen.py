"""The output of a command: lines and progress bars on the terminal, the same lines in the log."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, final

import rich.progress
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn

from nas.cli.streams import READER_GONE
from nas.masking import masked

if TYPE_CHECKING:
    from nas.runner.protocol import Progress as Measuring
    from nas.training.loop import Progress


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
