"""Progress: bars on a terminal, plain lines elsewhere, and the step of the run that they belong to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

import rich.progress
from rich.console import RenderableType
from rich.padding import Padding
from rich.progress import TaskID
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from nas.cli.screen import CONSOLE, say
from nas.cli.shared_cpus import SharedCpus

if TYPE_CHECKING:
    from nas.runner.protocol import Progress as Measuring
    from nas.training.loop import Progress

_BAR = 24
"""Characters of a bar."""
_PLAIN_EVERY_S = 30.0
"""Seconds between the lines of one bar where there is no terminal."""


@final
@dataclass
class Stages:
    """The steps of a run, and the number of the one that runs now, from 1; 0 outside a run."""

    names: Sequence[str] = ()
    number: int = 0
    started: float = 0.0

    def begin(self, name: str) -> None:
        """Moves on to a step; without a terminal, prints its number."""
        self.number = self.names.index(name) + 1
        if not CONSOLE.is_terminal:
            say(self._position())

    def line(self) -> str:
        """Returns what runs, how much has run and what follows; empty outside a run of several steps."""
        if not self.number:
            return ""
        ahead = ", ".join(self.names[self.number :])
        so_far = f"; {duration(time.monotonic() - self.started)} so far"
        return f"{self._position()}{f', then {ahead}' if ahead else ''}{so_far}"

    def _position(self) -> str:
        return f"step {self.number} of {len(self.names)}: {self.names[self.number - 1]}"


_STAGES = Stages()


@contextmanager
def stages(names: Sequence[str]) -> Iterator[Callable[[str], None]]:
    """Shows the place of each step among the steps of a run; yields a function that begins one."""
    _STAGES.names, _STAGES.number, _STAGES.started = names, 0, time.monotonic()
    try:
        yield _STAGES.begin
    finally:
        _STAGES.number = 0


def duration(seconds: float) -> str:
    """Returns hours, minutes and seconds: ``0:07``, ``12:34`` or ``1:02:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@final
class _View(rich.progress.Progress):
    """One bar below the steps of the run. No text is cut: what does not fit has a line of its own."""

    ended = False

    def get_renderables(self) -> Iterator[RenderableType]:
        if not self.ended and (line := _STAGES.line()):
            yield Text(line, style="dim")
        for task in self.tasks:
            yield from self._lines(task)

    def _lines(self, task: rich.progress.Task) -> Iterator[RenderableType]:
        figures = _figures(task, ended=self.ended)
        cells: list[RenderableType] = [
            ProgressBar(total=task.total, completed=task.completed, width=_BAR, pulse=task.total is None),
            Text(figures),
        ]
        if len(task.description) + _BAR + len(figures) + 2 > self.console.width:
            yield Text(task.description)
        else:
            cells.insert(0, Text(task.description))
        grid = Table.grid(padding=(0, 1, 0, 0))
        for _ in cells:
            grid.add_column(no_wrap=True)
        grid.add_row(*cells)
        yield grid
        if note := _note(task):
            yield Padding(Text(note), (0, 0, 0, 2))


def _figures(task: rich.progress.Task, *, ended: bool) -> str:
    """Returns how far a task is, and its remaining time, or its duration once it has ended."""
    if task.total is None:
        return duration(task.elapsed or 0)
    count = f"{task.completed:,.0f}/{task.total:,.0f}"
    if task.finished or ended:
        return f"{count} in {duration(task.finished_time or task.elapsed or 0)}"
    left = task.fields["left_s"]
    left = task.time_remaining if left is None else left
    return f"{count} {'-:--' if left is None else duration(left)} left"


def _note(task: rich.progress.Task) -> str:
    return ", ".join(filter(None, (task.fields["note"], task.fields["speed"])))


@final
@dataclass
class Bar:
    """A visible progress bar; a line every half minute where there is no terminal."""

    progress: _View
    task: TaskID
    _next: float = field(default_factory=lambda: time.monotonic() + _PLAIN_EVERY_S)
    _cpus: SharedCpus = field(default_factory=SharedCpus)

    def start(self, total: int) -> None:
        """Sets the number of steps."""
        self._update(total=total)

    def step(self) -> None:
        """Counts one step."""
        self._update(advance=1)

    def show(self, done: int, total: int) -> None:
        """Sets the completed and the total steps."""
        self._update(completed=done, total=total)

    def follow(self, progress: Progress) -> None:
        """Shows the progress and speed of a training, and says what slows it down."""
        if hint := self._cpus.hint():
            say(hint)
        speed = "" if progress.images_per_s is None else f"{progress.images_per_s:,.0f} images/s"
        self._update(completed=progress.step, total=progress.steps, speed=speed)

    def left(self, done: int, total: int, seconds: float) -> None:
        """Sets the completed and total steps and an estimate of the remaining time."""
        self._update(completed=done, total=total, left_s=seconds)

    def measured(self, now: Measuring) -> None:
        """Shows the progress of a measurement."""
        self.left(now.done, now.total, now.seconds_left)

    def note(self, text: str) -> None:
        """Shows a short text below the bar."""
        self._update(note=text)

    def _update(
        self,
        *,
        total: float | None = None,
        completed: float | None = None,
        advance: float | None = None,
        **fields: Any,
    ) -> None:
        task = self.progress.tasks[0]
        if task.finished and completed is not None and completed < (total or task.total or 0):
            self.progress.reset(self.task)  # a second part begins: the random search after the search
        self.progress.update(self.task, total=total, completed=completed, advance=advance, **fields)
        if not CONSOLE.is_terminal and time.monotonic() >= self._next:
            self.print_line()

    def print_line(self) -> None:
        """Prints the state as a line."""
        task = self.progress.tasks[0]
        note = _note(task)
        CONSOLE.print(
            f"{task.description}: {_figures(task, ended=self.progress.ended)}{f'; {note}' if note else ''}",
            markup=False,
            soft_wrap=True,
        )
        self._next = time.monotonic() + _PLAIN_EVERY_S


@contextmanager
def progress_bar(what: str, *, total: int | None = None) -> Iterator[Bar]:
    """Shows a progress bar while the body runs."""
    with _View(console=CONSOLE, disable=not CONSOLE.is_terminal) as view:
        bar = Bar(view, view.add_task(what, total=total, note="", speed="", left_s=None))
        try:
            yield bar
        finally:
            view.ended = True
            if not CONSOLE.is_terminal:
                bar.print_line()
