"""A section of the report: which files it needs, and what happens without them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from nas.errors import UserError
from nas.report import html
from nas.report.drawing.collection import Collection
from nas.report.page.template import render
from nas.report.records import ORIGINS, is_outdated
from nas.report.results import RESULTS, Row, read_table

if TYPE_CHECKING:
    from markupsafe import Markup


@final
@dataclass(frozen=True)
class Run:
    """The run that a page shows, and what the page collects while its sections are made.

    Attributes:
        folder: The run folder.
        drawings: The networks that are drawn on the page.
        data: Values for the page's scripts, by the name of the element that holds them.
    """

    folder: Path
    drawings: Collection = field(default_factory=Collection)
    data: dict[str, Any] = field(default_factory=dict)

    def has(self, path: Path) -> bool:
        """Whether the run has a file."""
        return (self.folder / path).is_file()

    @cached_property
    def rows(self) -> list[Row]:
        """The networks of the final comparison; none if they cannot be read, which their section reports."""
        with suppress(UserError):
            return read_table(self.folder) if self.has(RESULTS) else []
        return []

    def command(self, name: str) -> str:
        """Returns a command for this run."""
        return f"{name} run_dir={self.folder.as_posix()}"


@final
@dataclass(frozen=True, kw_only=True)
class Section:
    """A section of the page.

    Attributes:
        name: Its anchor in the page.
        title: Its heading.
        needs: Files of the run folder that it needs.
        command: The command that makes these files.
        make: Makes its elements; none if the run lacks what it shows.
        optional: Whether nothing is missing without it, because its step is not part of ``nas run``.
    """

    name: str
    title: str
    needs: tuple[Path, ...] = ()
    command: str
    make: Callable[[Run], Sequence[Markup]]
    optional: bool = False

    def elements(self, run: Run) -> list[Markup]:
        """Returns its elements, or the reason why its files cannot be shown; none if the run lacks them."""
        if not all(run.has(path) for path in self.needs):
            return []
        try:
            made = self.make(run)
        except UserError as error:  # one damaged file must not hide the other sections
            return [html.paragraph(f"Cannot be shown: {error}", kind="missing")]
        return [*self._outdated(run), *made] if made else []

    def render(self, run: Run) -> str:
        """Returns the section as HTML; empty if the run lacks what it shows."""
        elements = self.elements(run)
        return render("section.html", section=self, elements=elements) if elements else ""

    def _outdated(self, run: Run) -> list[Markup]:
        """Returns a note if the previous step has been repeated since."""
        folder = self.needs[0].parts[0] if self.needs else ""
        if folder not in ORIGINS or not is_outdated(run.folder, folder):
            return []
        text = f"This is from an earlier {ORIGINS[folder][2]}; to update it, run"
        return [html.missing(text, run.command(self.command))]
