"""Changes of the code's meaning. Texts, messages, log lines, annotations, assertions and decorators stay."""

from __future__ import annotations

import ast
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SWAPS: dict[type, list[type]] = {ast.Eq: [ast.NotEq], ast.Is: [ast.IsNot], ast.In: [ast.NotIn]}
SWAPS |= {ast.Add: [ast.Sub], ast.Mult: [ast.Div], ast.BitOr: [ast.BitAnd], ast.And: [ast.Or]}
SWAPS |= {ast.Break: [ast.Continue]}
SWAPS |= {new: [old] for old, [new] in SWAPS.items()}
SWAPS |= {ast.FloorDiv: [ast.Mult], ast.Mod: [ast.Mult], ast.Pow: [ast.Mult]}
SWAPS |= {ast.Lt: [ast.LtE, ast.GtE], ast.LtE: [ast.Lt, ast.Gt]}
SWAPS |= {ast.Gt: [ast.GtE, ast.LtE], ast.GtE: [ast.Gt, ast.Lt]}
FUNCTIONS = {"min": "max", "any": "all", "floor": "ceil", "minimum": "maximum", "argmin": "argmax"}
FUNCTIONS |= {new: old for old, new in FUNCTIONS.items()}
SYMMETRIC = {"isinstance", "issubclass", "zip", "allclose", "isclose", "suppress", *FUNCTIONS}
"""Functions whose arguments are not swapped."""
MESSAGES = {"say", "print", "warn", "warning", "info", "debug", "set_verbosity"}
"""Functions whose output is for people."""
KEPT_FIELDS = {"annotation", "returns", "decorator_list", "bases", "exc", "cause"}
KEPT_KEYWORDS = {"strict", "repr", "slots", "daemon", "parents", "exist_ok", "maxsize"}
"""Keywords that check, print or cache, and change no result."""


@dataclass(frozen=True)
class Mutant:
    """A changed file: its line of code, the old and the new text, the whole text.

    A test may notice the change if it runs one of ``lines``: those of the statement, or at module level all.
    """

    id: str
    path: str
    line: int
    lines: range
    code: str
    change: str
    text: str


def draw(places: Sequence[str], *, count: int, seed: int) -> list[Mutant]:
    """Mutants of files and folders: locations drawn uniformly without replacement, one change of each.

    A smaller count draws the first of the same mutants.
    """
    paths = sorted(path for place in places for path in (Path(place), *Path(place).rglob("*.py")))
    files = [(str(path), path.read_text("utf-8")) for path in paths if path.is_file()]
    locations = [location for path, text in files for location in mutants_of(path, text)]
    if not locations:
        raise SystemExit(f"no code to change in {', '.join(places)}")
    rng = random.Random(seed)
    rng.shuffle(locations)
    return [rng.choice(location) for location in locations[:count]]


def mutants_of(path: str, text: str) -> Iterator[list[Mutant]]:
    """The mutants of each location in a file."""
    rows = text.encode().splitlines(keepends=True)
    for container, key, others, shown, lines in _places(ast.parse(text), None, range(1, len(rows) + 1)):
        first, last = rows[shown.lineno - 1], rows[shown.end_lineno - 1]
        before = b"".join(rows[: shown.lineno - 1]) + first[: shown.col_offset]
        after = last[shown.end_col_offset :] + b"".join(rows[shown.end_lineno :])
        node, old, mutants = container[key], ast.unparse(shown), []
        for other in others:
            container[key] = other
            new = ast.unparse(other if shown is node else shown)
            changed = before + (f"({new})" if isinstance(shown, ast.expr) else new).encode() + after
            change, place = f"{old} → {new}", (path, shown.lineno, lines, first.decode().strip())
            id_ = f"{path}:{shown.lineno}:{shown.col_offset} {change}"
            mutants.append(Mutant(id_, *place, change, changed.decode()))
        container[key] = node
        yield mutants


def _places(parent: Any, shown: Any, lines: range, *, called: bool = False) -> Iterator[tuple[Any, ...]]:
    """Each replaceable ``container[key]`` in a node, its replacements, the code to show, the mutant's lines.

    ``called`` is whether the node runs when a function is called, not when the module is imported.
    """
    for field, value in ast.iter_fields(parent):
        inside = called or (isinstance(parent, ast.FunctionDef) and field == "body")
        container: Any = value if isinstance(value, list) else vars(parent)
        for key in range(len(value)) if isinstance(value, list) else [field]:
            node = container[key]
            if field in KEPT_FIELDS or not isinstance(node, ast.AST) or _is_kept(node):
                continue
            whole = isinstance(node, ast.expr | ast.stmt) and not isinstance(node, ast.Slice)
            around = node if whole and field != "slice" else shown
            own = _lines(node) if isinstance(node, ast.stmt) and inside else lines
            others = [*_others(node, parent)]
            if others:
                yield container, key, others, around, own
            yield from _places(node, around, own, called=inside)


def _others(node: ast.AST, parent: ast.AST) -> Iterator[ast.AST]:
    """The replacements of a node, without those of its parts."""
    joins_texts = isinstance(node, ast.operator) and any(map(_is_text, ast.iter_child_nodes(parent)))
    if type(node) in OPERATORS and not joins_texts:
        yield from OPERATORS[type(node)](node)
    if isinstance(node, ast.Name | ast.Attribute | ast.Call) and isinstance(parent, ast.If | ast.While):
        yield ast.UnaryOp(ast.Not(), node)


def _lines(statement: Any) -> range:
    """The lines of a statement, without statements in it."""
    last = statement.body[0].lineno - 1 if hasattr(statement, "body") else statement.end_lineno
    return range(statement.lineno, max(statement.lineno, last) + 1)


def _is_kept(node: ast.AST) -> bool:
    match node:
        case ast.JoinedStr() | ast.Assert() | ast.Assign(targets=[ast.Name(id="__all__")]):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")) | ast.Raise(exc=ast.Name(id="NotImplementedError")):
            return True
        case ast.keyword(arg=name):
            return name in KEPT_KEYWORDS
        case ast.Expr(value=ast.Call(func=func)) | ast.Call(func=func):
            return _name(func) in MESSAGES or _name(func).endswith("Error")
    return False


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _name(func: ast.AST) -> str:
    """The last name of a called object; empty if it has none."""
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""


def _constants(node: ast.Constant) -> list[ast.AST]:
    if isinstance(node.value, bool):
        return [ast.Constant(not node.value)]
    return [ast.Constant(node.value + step) for step in (1, -1) if isinstance(node.value, int | float)]


def _calls(node: ast.Call) -> Iterator[ast.AST]:
    name, func = _name(node.func), node.func
    if name in FUNCTIONS:
        other = ast.unparse(func).removesuffix(name) + FUNCTIONS[name]
        yield ast.Call(ast.Name(other), node.args, node.keywords)
    texts = {"*" if isinstance(argument, ast.Starred) else ast.unparse(argument) for argument in node.args}
    if len(node.args) == 2 == len(texts - {"*"}) and name not in SYMMETRIC:
        yield ast.Call(func, node.args[::-1], node.keywords)


def _fewer(items: list[Any]) -> list[list[Any]]:
    return [items[:index] + items[index + 1 :] for index in range(len(items))]


def _slices(node: ast.Slice) -> Iterator[ast.AST]:
    ends = (node.lower, node.upper, node.step)
    return (ast.Slice(*(None if each is end else each for each in ends)) for end in ends if end)


OPERATORS: dict[type, Callable[[Any], Iterable[ast.AST]]] = {
    **dict.fromkeys(SWAPS, lambda node: [other() for other in SWAPS[type(node)]]),
    ast.BoolOp: lambda node: [ast.BoolOp(node.op, values) for values in _fewer(node.values)],
    ast.comprehension: lambda node: [
        ast.comprehension(node.target, node.iter, ifs, node.is_async) for ifs in _fewer(node.ifs)
    ],
    ast.UnaryOp: lambda node: [node.operand] if isinstance(node.op, ast.Not | ast.USub) else [],
    ast.Constant: _constants,
    ast.IfExp: lambda node: [ast.IfExp(node.test, node.orelse, node.body)],
    ast.Call: _calls,
    ast.Slice: _slices,
    ast.Expr: lambda node: [ast.Pass()] if isinstance(node.value, ast.Call) else [],
    **dict.fromkeys((ast.Raise, ast.AugAssign), lambda _: [ast.Pass()]),
}
