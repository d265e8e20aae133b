"""The changes of one statement or expression, each as its kind and the new text."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

Change = tuple[str, str]
"""The kind of change, and the text that replaces the node's."""

BOUNDARIES: dict[type[ast.cmpop], type[ast.cmpop]]
BOUNDARIES = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
NEGATIONS: dict[type[ast.cmpop], type[ast.cmpop]]
NEGATIONS = {ast.Lt: ast.GtE, ast.LtE: ast.Gt, ast.Eq: ast.NotEq, ast.Is: ast.IsNot, ast.In: ast.NotIn}
NEGATIONS |= {new: old for old, new in NEGATIONS.items()}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]]
ARITHMETIC = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
}
ARITHMETIC |= {ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr}
FUNCTIONS = {"min": "max", "any": "all", "floor": "ceil", "minimum": "maximum", "argmin": "argmax"}
FUNCTIONS |= {new: old for old, new in FUNCTIONS.items()}
SYMMETRIC = {"isinstance", "issubclass", "min", "max", "minimum", "maximum", "zip", "allclose", "isclose"}
"""Functions whose arguments are not swapped."""
MESSAGES = {"say", "print", "warn", "warning", "info", "debug", "set_verbosity"}
"""Functions whose calls are not mutated, since their output is for people."""


def name_of(func: ast.expr) -> str:
    """The last name of the called object; empty if it has none."""
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""


def of_statement(node: ast.stmt) -> Iterator[Change]:
    """The changes of a whole statement."""
    match node:
        case ast.Expr(value=ast.Call(func=func)) if name_of(func) not in MESSAGES:
            yield "drop call", "pass"
        case ast.Raise(exc=exc) if "NotImplementedError" not in ast.unparse(exc or node):
            yield "drop raise", "pass"
        case ast.AugAssign():
            yield "drop assignment", "pass"
            if type(node.op) in ARITHMETIC:
                other = ARITHMETIC[type(node.op)]()
                yield "arithmetic", ast.unparse(ast.AugAssign(node.target, other, node.value))
        case ast.Continue():
            yield "break for continue", "break"
        case ast.Break():
            yield "continue for break", "continue"


def of_condition(node: ast.expr) -> Iterator[Change]:
    """The changes of an expression that decides a branch."""
    if isinstance(node, ast.Name | ast.Attribute | ast.Call):
        yield "negation", f"(not {ast.unparse(node)})"


def of_expression(node: ast.expr) -> Iterator[Change]:
    """The changes of an expression, without those of its subexpressions."""
    if type(node) in _EXPRESSIONS:
        yield from ((kind, f"({new})") for kind, new in _EXPRESSIONS[type(node)](node))


def _of_comparison(node: ast.Compare) -> Iterator[Change]:
    for index, op in enumerate(node.ops):
        for kind, table in (("boundary", BOUNDARIES), ("negation", NEGATIONS)):
            if type(op) in table:
                ops = [*node.ops[:index], table[type(op)](), *node.ops[index + 1 :]]
                yield kind, ast.unparse(ast.Compare(node.left, ops, node.comparators))


def _of_arithmetic(node: ast.BinOp) -> Iterator[Change]:
    if type(node.op) in ARITHMETIC and not (_is_text(node.left) or _is_text(node.right)):
        yield "arithmetic", ast.unparse(ast.BinOp(node.left, ARITHMETIC[type(node.op)](), node.right))


def _of_logic(node: ast.BoolOp) -> Iterator[Change]:
    other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    yield "and/or", ast.unparse(ast.BoolOp(other, node.values))
    for index in range(len(node.values)):
        yield (
            "drop condition",
            ast.unparse(ast.BoolOp(node.op, node.values[:index] + node.values[index + 1 :])),
        )


def _of_sign(node: ast.UnaryOp) -> Iterator[Change]:
    if isinstance(node.op, ast.Not | ast.USub):
        yield "drop sign", ast.unparse(node.operand)


def _of_constant(node: ast.Constant) -> Iterator[Change]:
    if isinstance(node.value, bool):
        yield "constant", str(not node.value)
    elif isinstance(node.value, int | float):
        yield "constant", repr(node.value + 1)
        yield "constant", repr(node.value - 1)


def _of_branches(node: ast.IfExp) -> Iterator[Change]:
    yield "swap branches", ast.unparse(ast.IfExp(node.test, node.orelse, node.body))


def _of_call(node: ast.Call) -> Iterator[Change]:
    name = name_of(node.func)
    if name in FUNCTIONS:
        func = ast.Name(FUNCTIONS[name])
        other = ast.Attribute(node.func.value, func.id) if isinstance(node.func, ast.Attribute) else func
        yield "function", ast.unparse(ast.Call(other, node.args, node.keywords))
    if (
        len(node.args) == 2
        and name not in SYMMETRIC
        and not any(isinstance(a, ast.Starred) for a in node.args)
    ):
        swapped = ast.unparse(ast.Call(node.func, node.args[::-1], node.keywords))
        if swapped != ast.unparse(node):
            yield "swap arguments", swapped


def _of_slice(node: ast.Subscript) -> Iterator[Change]:
    part = node.slice
    if isinstance(part, ast.Slice):
        without = {
            part.lower: ast.Slice(None, part.upper, part.step),
            part.upper: ast.Slice(part.lower, None, part.step),
            part.step: ast.Slice(part.lower, part.upper, None),
        }
        for end, other in without.items():
            if end is not None:
                yield "drop end", ast.unparse(ast.Subscript(node.value, other, node.ctx))


def _of_comprehension(node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> Iterator[Change]:
    text = ast.unparse(node)
    for condition in (each for generator in node.generators for each in generator.ifs):
        part = f" if {ast.unparse(condition)}"
        if text.count(part) == 1:
            yield "drop filter", text.replace(part, "")


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


_EXPRESSIONS: dict[type[ast.expr], Callable[..., Iterator[Change]]] = {
    ast.Compare: _of_comparison,
    ast.BinOp: _of_arithmetic,
    ast.BoolOp: _of_logic,
    ast.UnaryOp: _of_sign,
    ast.Constant: _of_constant,
    ast.IfExp: _of_branches,
    ast.Call: _of_call,
    ast.Subscript: _of_slice,
    ast.ListComp: _of_comprehension,
    ast.SetComp: _of_comprehension,
    ast.DictComp: _of_comprehension,
    ast.GeneratorExp: _of_comprehension,
}
