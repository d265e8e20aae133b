"""One point of a search space, as its choices."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nas.errors import UserError

Choice = int | float | str
StageChoices = tuple[tuple[str, Choice | tuple[Choice, ...]], ...]

_SYMBOLS = {"resolution": "r", "depth": "d", "width": "w", "kernel": "k", "expand": "e"}
_NAMES = {symbol: name for name, symbol in _SYMBOLS.items()}
_ITEM = re.compile(r"([a-z_]+?)(@?[0-9.]+(?:\+[0-9.]+)*|@\w+(?:\+@?\w+)*)")
_EMPTY = "x"


@dataclass(frozen=True)
class Architecture:
    """One choice for each free dimension of a search space.

    Values are canonical: the names of a stage are sorted, and lists of its blocks are as long as its depth.
    ``SearchSpace.canonical`` also drops the names that the stage's kind does not read.

    Attributes:
        resolution: The input resolution, or ``None`` if the space fixes it.
        stages: For each stage, pairs of a name and one value (of the stage) or a tuple (one for each block).
    """

    resolution: int | None
    stages: tuple[StageChoices, ...]

    @classmethod
    def of(cls, resolution: int | None, stages: list[dict[str, Choice | tuple[Choice, ...]]]) -> Architecture:
        """Builds the canonical value from one mapping for each stage."""
        return cls(resolution, tuple(tuple(sorted(_cut(stage).items())) for stage in stages))

    @classmethod
    def from_dict(cls, value: Any) -> Architecture:
        """Reads ``{"resolution": 224, "stages": [{"depth": 2, "kernel": [3, 5]}, …]}``.

        Raises:
            UserError: If the value has another form.
        """
        if not isinstance(value, Mapping) or not set(value) <= {"resolution", "stages"}:
            raise UserError(f"an architecture is a mapping with 'resolution' and 'stages', not {value!r}")
        stages = value.get("stages", [])
        if not isinstance(stages, list) or not all(isinstance(stage, Mapping) for stage in stages):
            raise UserError("an architecture's 'stages' must be a list of mappings, one for each stage")
        return cls.of(
            value.get("resolution"),
            [
                {k: tuple(v) if isinstance(v, (list, tuple)) else v for k, v in stage.items()}
                for stage in stages
            ],
        )

    def to_dict(self) -> dict[str, Any]:
        """The architecture as JSON values; the inverse of ``from_dict``."""
        stages = [{k: list(v) if isinstance(v, tuple) else v for k, v in stage} for stage in self.stages]
        return (
            {"stages": stages}
            if self.resolution is None
            else {"resolution": self.resolution, "stages": stages}
        )

    def __str__(self) -> str:
        """A short code without ``,``, ``=``, braces or blanks, e.g. ``r32-d2:e4+6:k3+5-d1:e3:k7``."""
        head = [] if self.resolution is None else [f"r{self.resolution}"]
        return "-".join(head + [":".join(_item(k, v) for k, v in stage) or _EMPTY for stage in self.stages])

    @classmethod
    def from_code(cls, code: str) -> Architecture:
        """The inverse of ``str``.

        Raises:
            UserError: If the text is not such a code.
        """
        parts = code.strip().split("-")
        resolution = None
        if re.fullmatch(r"r\d+", parts[0]):
            resolution = int(_value(parts.pop(0)[1:], code))
        return cls.of(resolution, [_read_stage(part, code) for part in parts])


def _cut(stage: dict[str, Choice | tuple[Choice, ...]]) -> dict[str, Choice | tuple[Choice, ...]]:
    """Drops values of blocks beyond the stage's depth."""
    depth = stage.get("depth")
    if not isinstance(depth, int):
        return stage
    return {name: value[:depth] if isinstance(value, tuple) else value for name, value in stage.items()}


def _item(name: str, value: Choice | tuple[Choice, ...]) -> str:
    values = value if isinstance(value, tuple) else (value,)
    text = "+".join(f"@{item}" if isinstance(item, str) else str(item) for item in values)
    # A list of one block and a value of the whole stage must not look alike.
    return _SYMBOLS.get(name, name) + text + ("+" if isinstance(value, tuple) and len(value) == 1 else "")


def _read_stage(part: str, code: str) -> dict[str, Choice | tuple[Choice, ...]]:
    if part == _EMPTY:
        return {}
    stage: dict[str, Choice | tuple[Choice, ...]] = {}
    for item in part.split(":"):
        match = _ITEM.fullmatch(item.removesuffix("+"))
        if match is None:
            raise UserError(
                f"{item!r} in the architecture code {code!r} cannot be read; a code looks like "
                "r32-d2:e4+6:k3+5"
            )
        values = tuple(_value(text, code) for text in match[2].split("+"))
        stage[_NAMES.get(match[1], match[1])] = values if "+" in item else values[0]
    return stage


def _value(text: str, code: str) -> Choice:
    if text.startswith("@"):
        return text[1:]
    try:
        return float(text) if "." in text else int(text)
    except ValueError:  # Python reads whole numbers of up to 4,300 digits
        raise UserError(f"{text!r} in the architecture code {code!r} is not a number") from None
