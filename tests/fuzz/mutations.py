"""Inputs that are nearly right: a valid one with a few changes."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

STRANGE: tuple[Any, ...] = (None, True, False, 0, 1, -1, 2, 7, 2**31, 2**63, 10**30, -(10**30), 0.5, -0.0)
STRANGE += (1e308, 1e-320, float("inf"), float("nan"), "", " ", "0", "nan", "é", "\x00", "../..", "x" * 300)
STRANGE += ([], [[]], {}, {"": {}}, [None])
"""Values that parsers forget."""

TOKENS = [
    "",
    "\x00",
    "\n",
    "\r\n",
    "\t",
    "..",
    "&a",
    "*a",
    "!!python/object:os.system",
    "null",
    "true",
    "nan",
    "inf",
]
TOKENS += ["1e999", "0", "-1", "99999999999999999999", "0x10", "1_000", "é", "\u2028", "${oc.env:HOME}", "%s"]
TOKENS += list(",;:=+-./()[]{}\"'#|><")
"""Pieces of text that parsers stumble over."""

PIECES = [token.encode() for token in TOKENS] + [b"\xff\xfe"]


def changed_bytes(rng: random.Random, data: bytes) -> bytes:
    """The data after one to four changes: flipped bits, tokens, cuts, repetitions and swaps."""
    value = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        place = rng.randrange(len(value) + 1)
        length = min(rng.choice((1, 1, 2, 4, 16, 64)), len(value) - place)
        match rng.randrange(6):
            case 0 if place < len(value):
                value[place] ^= 1 << rng.randrange(8)
            case 1:
                value[place : place + length] = rng.choice(PIECES)
            case 2:
                value[place:place] = rng.choice(PIECES)
            case 3:
                del value[place : place + length]
            case 4:
                value[place:place] = value[place : place + length] * rng.choice((1, 2, 50))
            case _:
                other = rng.randrange(len(value) + 1)
                value[place:place] = value[other : other + length]
    return bytes(value[: rng.randrange(len(value) + 1)]) if rng.random() < 0.05 else bytes(value)


def changed_value(rng: random.Random, value: Any) -> Any:
    """A copy of a JSON value after one to three changes in random places."""
    root = [copy.deepcopy(value)]
    for _ in range(rng.choice((1, 1, 2, 3))):
        places = list(_places(root))
        if not places:
            break
        holder, key = rng.choice(places)
        match rng.randrange(7):
            case 0 if isinstance(holder, dict):
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[rng.choice(("", "x", f"{key}s", str(key).upper()))] = holder.pop(key)
            case 2 if isinstance(holder, list):
                holder.insert(key, copy.deepcopy(holder[key]))
            case 3:
                other, name = rng.choice(places)
                holder[key] = copy.deepcopy(other[name])
            case 4 if isinstance(holder[key], str):
                text = changed_bytes(rng, holder[key].encode())
                holder[key] = text.decode(errors="replace")
            case 5 if isinstance(holder[key], (int, float)):
                holder[key] = rng.choice(
                    (holder[key] + 1, -holder[key], holder[key] * 1000, str(holder[key]))
                )
            case _:
                holder[key] = copy.deepcopy(rng.choice(STRANGE))
    return root[0] if root else None


def _places(holder: Any) -> Iterator[tuple[Any, Any]]:
    """Every place inside a value: what holds it, and its key or index."""
    items = list(holder.items()) if isinstance(holder, dict) else list(enumerate(holder))
    for key, value in items:
        yield holder, key
        if isinstance(value, (dict, list)):
            yield from _places(value)
