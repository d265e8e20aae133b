"""The operation that a converter does not know, and the blocks that have it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from nas.blocks import BlockSpec, Op
from nas.blocks.ops import Activation, LayerNorm, Pool, Scale
from nas.deploy.formats import ConverterError
from nas.network import NetworkSpec, Place

_UNKNOWN = re.compile(
    r"unknown|unsupported|unimplemented|not (yet )?(supported|implemented|registered|recogni)|no conversion"
    r"|(can|could)(not| not) (find|convert|handle)|missing (out variants|op)",
    re.IGNORECASE,
)
_NAMES = {"layer scale": ("mul",), "average pool": ("averagepool", "avgpool"), "layer norm": ("layernorm",)}


@final
@dataclass(frozen=True, kw_only=True)
class Culprit:
    """An operation that a converter does not know.

    Attributes:
        operation: Its name.
        blocks: The blocks that have it, and their places.
    """

    operation: str
    blocks: tuple[tuple[Place, BlockSpec], ...]


def culprits(network: NetworkSpec, error: ConverterError) -> tuple[Culprit, ...]:
    """Returns the operations of a network that a converter's error says it does not know.

    In the output of a converter, only operations that a search space may leave out are looked for: every
    network has convolutions.
    """
    words = _words_of_complaints(error)
    found: dict[str, dict[Place, BlockSpec]] = {}
    for place, block in network.placed_blocks:
        for op in block.ops:
            named = any(re.match(name, word) for name in _names(op) for word in words)
            if op.name == error.operation or (named and not error.operation):
                found.setdefault(op.name, {})[place] = block
    return tuple(Culprit(operation=name, blocks=tuple(blocks.items())) for name, blocks in found.items())


def _words_of_complaints(error: ConverterError) -> set[str]:
    """Returns the words of all lines that say that something is unknown."""
    lines = [line for line in (str(error), *error.output.split("\n")) if _UNKNOWN.search(line)]
    return {word for line in lines for word in re.findall(r"[a-z]+[0-9]?[a-z]*", _plain(line))}


def in_words(network: NetworkSpec, error: ConverterError) -> str:
    """Names the operations and blocks that a converter does not know, as the end of a message."""
    return "".join(_sentence(each) for each in culprits(network, error))


def _sentence(culprit: Culprit) -> str:
    place, block = culprit.blocks[0]
    count = len(culprit.blocks) - 1
    others = "" if not count else f" and {count} other block{'s' if count > 1 else ''}"
    return f". The format does not know {culprit.operation}, an operation of {place} ({block.KIND}){others}"


def _names(op: Op) -> Iterator[str]:
    """Yields patterns of the beginnings of the operation's names in converters, as ``_plain`` writes them."""
    if isinstance(op, Activation):
        yield f"{_plain(op.name)}(?![0-9])"  # relu is not relu6
    if isinstance(op, LayerNorm | Pool | Scale):
        yield from _NAMES.get(op.name, (_plain(op.name).replace(" ", ""),))


def _plain(text: str) -> str:
    return text.lower().replace("_", "").replace("-", "")
