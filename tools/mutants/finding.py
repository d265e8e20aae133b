"""Finding the mutants of files, and drawing from them.

Texts, docstrings, error messages, annotations, assertions and decorators are not mutated.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from tools.mutants.operators import MESSAGES, Change, name_of, of_condition, of_expression, of_statement

GUARDS = {"strict", "repr", "slots", "daemon", "parents", "exist_ok", "maxsize"}
"""Keywords whose values are not mutated: they assert, print or cache, and change no result."""


@dataclass(frozen=True)
class Mutant:
    """One change of one file.

    Attributes:
        path: The file, relative to the repository.
        kind: The kind of change.
        line: The first line of the changed statement, from 1.
        last_line: The last line of that statement, or of its header if it contains other statements.
        in_function: Whether the statement runs when a function is called, not when the module is imported.
        start: The first byte of the replaced text.
        old: The replaced text.
        new: The new text.
        code: The first line of the statement.
    """

    path: str
    kind: str
    line: int
    last_line: int
    in_function: bool
    start: int
    old: str
    new: str
    code: str

    @property
    def id(self) -> str:
        """A unique name among the mutants of a commit."""
        return f"{self.path}:{self.line}:{self.start} {self.kind}: {self.change}"

    @property
    def change(self) -> str:
        """The old and the new text, in one line."""
        return " ".join(f"{self.old} → {self.new}".split())

    def apply(self, source: str) -> str:
        """The file's text with the change."""
        text, old = source.encode(), self.old.encode()
        stop = self.start + len(old)
        assert text[self.start : stop] == old, "the mutant of another text"
        return (text[: self.start] + self.new.encode() + text[stop:]).decode()


def draw(root: Path, places: Sequence[str], *, count: int, seed: int) -> list[Mutant]:
    """Mutants of files and folders, drawn uniformly without replacement."""
    paths = sorted(path for place in places for path in ([root / place, *(root / place).rglob("*.py")]))
    paths = [path for path in paths if path.is_file()]
    every = [m for p in paths for m in mutants_of(p.relative_to(root).as_posix(), p.read_text("utf-8"))]
    return random.Random(seed).sample(every, min(count, len(every)))


def mutants_of(path: str, source: str) -> list[Mutant]:
    """Every mutant of a file, in the order of its text."""
    text = source.encode()
    lines = text.splitlines(keepends=True)
    starts = list(accumulate(map(len, lines), initial=0))
    result = []
    for statement, in_function in _statements(ast.parse(source).body, in_function=False):
        for node, (kind, new) in _changes(statement):
            start = starts[node.lineno - 1] + node.col_offset
            stop = starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
            place = (statement.lineno, _last_line(statement), in_function, start)
            code = lines[statement.lineno - 1].decode().strip()
            result.append(Mutant(path, kind, *place, text[start:stop].decode(), new, code))
    return sorted(result, key=lambda mutant: (mutant.start, mutant.old, mutant.kind, mutant.new))


def _statements(body: Sequence[ast.stmt], *, in_function: bool) -> Iterator[tuple[ast.stmt, bool]]:
    """Every statement, and whether it is in a function."""
    for node in body:
        yield node, in_function
        if _is_type_checking(node):
            continue
        inside = in_function or isinstance(node, ast.FunctionDef)
        for name in ("body", "orelse", "finalbody"):
            yield from _statements(getattr(node, name, []), in_function=inside)
        for handler in getattr(node, "handlers", []):
            yield from _statements(handler.body, in_function=inside)


def _changes(statement: ast.stmt) -> Iterator[tuple[ast.stmt | ast.expr, Change]]:
    yield from ((statement, change) for change in of_statement(statement))
    if isinstance(statement, ast.If | ast.While) and not _is_type_checking(statement):
        yield from ((statement.test, change) for change in of_condition(statement.test))
    for expression in _expressions(statement):
        for node in _walk(expression):
            yield from ((node, change) for change in of_expression(node))


def _last_line(node: ast.stmt) -> int:
    body: list[ast.stmt] = getattr(node, "body", [])
    return max(node.lineno, body[0].lineno - 1) if body else node.end_lineno or node.lineno


def _is_type_checking(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _expressions(node: ast.stmt) -> list[ast.expr]:
    """The mutated expressions of a statement."""
    match node:
        case ast.FunctionDef():
            return [default for default in (*node.args.defaults, *node.args.kw_defaults) if default]
        case ast.Assign(targets=[ast.Name(id="__all__")]) | ast.Raise() | ast.Assert() | ast.ClassDef():
            return []
        case ast.AnnAssign():
            return [node.value] if node.value else []
        case ast.If() if _is_type_checking(node):
            return []
        case _:
            return [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]


def _walk(node: ast.AST) -> Iterator[ast.expr]:
    """The mutated expressions in a node."""
    if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.keyword) and node.arg in GUARDS):
        return
    if isinstance(node, ast.Call) and (
        name_of(node.func) in MESSAGES or name_of(node.func).endswith("Error")
    ):
        return
    if isinstance(node, ast.expr):
        yield node
    for child in ast.iter_child_nodes(node):
        yield from _walk(child)
