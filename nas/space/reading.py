"""Reading a search space from YAML, with a message for every mistake."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas import files
from nas.blocks import LARGEST, BlockSettings, Rounding, settings_from_dict, settings_type
from nas.errors import UserError, unknown
from nas.network import NORM_EPSILON
from nas.plugins import load_module
from nas.space.architecture import Choice
from nas.space.stage import Choices, StageSpace

MOST = 1000
"""Bound of depths, and of the resolutions in a range."""

KEYS = (
    "name",
    "modules",
    "description",
    "source",
    "size",
    "resolution",
    "input_channels",
    "rounding",
    "norm_epsilon",
    "stem",
    "stages",
    "head",
)


def read_yaml(path: Path) -> dict[str, Any]:
    """The fields of ``SearchSpace`` that a YAML file describes.

    Raises:
        UserError: If the file is not YAML or does not describe a space. The message names the place.
    """
    value = files.read_yaml(path)
    try:
        _import_modules(value, path.resolve().parent)
        return read_space(value, name=path.stem)
    except ValueError as error:  # a number of 5,000 digits cannot even be shown in a message
        raise UserError(f"{path}: {error}") from None


def _import_modules(value: Any, folder: Path) -> None:
    """Imports the modules that register the user's block kinds, from the file's folder or anywhere.

    Raises:
        UserError: If a value is not a name, or a module cannot be imported.
    """
    modules = value.get("modules", []) if isinstance(value, Mapping) else []
    if not isinstance(modules, list) or not all(isinstance(name, str) for name in modules):
        raise UserError(f"'modules' is {modules!r}; it is a list of names of Python modules")
    for name in modules:
        load_module(name, folder=folder)


def read_space(value: Any, *, name: str) -> dict[str, Any]:
    """The fields of ``SearchSpace`` from the parsed YAML."""
    _mapping(value, "a search space", KEYS)
    for key in ("resolution", "stages", "head"):
        if key not in value:
            raise UserError(f"the space has no {key!r}; it is needed. Its keys: {', '.join(KEYS)}")
    if not isinstance(value["stages"], list) or not value["stages"]:
        raise UserError("'stages' must be a list of at least one stage")
    return {
        "name": _text(value, "name", name),
        "description": _text(value, "description", ""),
        "source": _text(value, "source", ""),
        "stated_size": _size(value.get("size")),
        "resolutions": _resolutions(value["resolution"]),
        "input_channels": value.get("input_channels", 3),
        "rounding": _rounding(value.get("rounding", {})),
        "norm_epsilon": value.get("norm_epsilon", NORM_EPSILON),
        "stem": _blocks(value.get("stem", []), "stem"),
        "stages": tuple(_stage(stage, number) for number, stage in enumerate(value["stages"])),
        "head": _blocks(value["head"], "head"),
    }


def _mapping(value: Any, what: str, keys: tuple[str, ...] | None = None) -> None:
    if not isinstance(value, Mapping):
        raise UserError(f"{what} must be a mapping of names to values, not {value!r}")
    for key in value:
        if keys is not None and key not in keys:
            raise unknown(f"key of {what}", key, keys)


def _text(value: Mapping[str, Any], key: str, default: str) -> str:
    text = value.get(key, default)
    if not isinstance(text, str):
        raise UserError(f"{key!r} is {text!r}; it must be text")
    return text.strip()


def _size(value: Any) -> int | None:
    if value is not None and (type(value) is not int or value < 1):
        raise UserError(f"'size' is {value!r}; it is the number of networks, or left out")
    return value


def _rounding(value: Any) -> Rounding:
    _mapping(value, "rounding", ("divisor", "expand_divisor", "squeeze_divisor", "minimum_ratio"))
    return Rounding(**value)


def _resolutions(value: Any) -> tuple[int, ...]:
    if isinstance(value, Mapping):
        _mapping(value, "resolution", ("from", "to", "step"))
        if set(value) != {"from", "to", "step"} or not all(type(v) is int and v > 0 for v in value.values()):
            raise UserError(
                f"resolution is {value!r}; a range needs 'from', 'to' and 'step', whole and positive"
            )
        if value["to"] - value["from"] > MOST * value["step"]:
            raise UserError(f"resolution is {value!r}; a range has at most {MOST} resolutions")
        value = list(range(value["from"], value["to"] + 1, value["step"]))
    choices = _choices(value, "resolution")
    if not all(type(choice) is int and 0 < choice <= LARGEST for choice in choices):
        raise UserError(f"resolution is {value!r}; resolutions are whole and positive")
    return tuple(int(choice) for choice in choices)


def _choices(value: Any, where: str) -> Choices:
    values = value if isinstance(value, list) else [value]
    if not values:
        raise UserError(f"{where} is an empty list; give at least one choice")
    for item in values:
        if not isinstance(item, (int, float, str, bool)):
            raise UserError(f"{where} offers {item!r}; a choice is a number or a word")
    if len(set(values)) != len(values):
        raise UserError(f"{where} offers the same choice twice: {values}")
    return tuple(values)


def _blocks(value: Any, section: str) -> tuple[BlockSettings, ...]:
    if not isinstance(value, list):
        raise UserError(f"{section!r} must be a list of blocks, not {value!r}")
    for i, block in enumerate(value):
        _mapping(block, f"{section} block {i}")
    return tuple(settings_from_dict(block, where=f"{section} block {i}") for i, block in enumerate(value))


def _fields(value: Any, where: str) -> dict[str, Choices]:
    _mapping(value, where)
    return {str(name): _choices(choices, f"{where}: {name}") for name, choices in value.items()}


def _stage(value: Any, number: int) -> StageSpace:
    where = f"stage {number}"
    _mapping(value, where)
    fields = _fields({k: v for k, v in value.items() if k != "each_block"}, where)
    per_block = _fields(value.get("each_block", {}), f"{where} each_block")
    if "kind" not in fields:
        raise UserError(f"{where} has no 'kind'; give it a block kind or a list of them")
    kinds = tuple(str(kind) for kind in fields.pop("kind"))
    for kind in kinds:
        settings_type(kind)
    depths = fields.pop("depth", (1,))
    return StageSpace(number, kinds, _depths(depths, where), fields, per_block)


def _depths(choices: Choices, where: str) -> tuple[int, ...]:
    if not all(type(depth) is int and 1 <= depth <= MOST for depth in choices):
        raise UserError(f"{where}: depth is {list(choices)}; depths are whole numbers from 1 to {MOST}")
    return tuple(int(depth) for depth in choices)


def describe(choices: tuple[Choice, ...]) -> str:
    """The choices as text, for messages."""
    return ", ".join(str(choice) for choice in choices)
