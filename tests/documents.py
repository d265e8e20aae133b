"""What the documents show: README.md, CONTRIBUTING.md and every page below docs/, block by block."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

_BLOCK = re.compile(
    r"(?:^\*Not run by the tests: ([^\n]*)\*\n\n)?^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE
)
_PATH = re.compile(r"^# (\S+\.(?:yaml|py|toml))$", re.MULTILINE)
_WRITES = re.compile(r"# writes (\S+)")


@dataclass(frozen=True)
class Command:
    """A line of a shell block.

    Attributes:
        text: The command, without quotes and comments.
        line: As it is written.
        writes: The file that the comment below it says it writes.
    """

    text: str
    line: str
    writes: str | None


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        language: As written behind the fence.
        text: What it holds.
        not_run: Why the tests do not run it, which the line before it states; None if they do.
    """

    language: str
    text: str
    not_run: str | None

    @property
    def commands(self) -> list[Command]:
        """The lines of a shell block, each with the comment below it that names a file."""
        commands: list[Command] = []
        for line in self.text.replace("\\\n", " ").splitlines():
            if words := shlex.split(line, comments=True):
                commands.append(Command(" ".join(words), line, None))
            elif match := _WRITES.fullmatch(line):
                commands[-1] = replace(commands[-1], writes=match[1])
        return commands

    @property
    def path(self) -> str | None:
        """The file that the block is, which one of its first two lines names."""
        match = _PATH.search("\n".join(self.text.splitlines()[:2]))
        return match and match[1]


def documents() -> list[str]:
    """All documents, relative to the repository."""
    pages = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
    return ["README.md", "CONTRIBUTING.md", *pages]


def blocks(document: str) -> list[Block]:
    """The fenced blocks of a document."""
    text = (ROOT / document).read_text(encoding="utf-8")
    assert len(re.findall(r"^```", text, re.MULTILINE)) == 2 * len(_BLOCK.findall(text)), document
    return [Block(match[2], match[3], match[1]) for match in _BLOCK.finditer(text)]


def write_files(document: str, folder: Path) -> None:
    """Writes the files that a document shows."""
    for block in blocks(document):
        if block.path is not None:
            path = folder / block.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
