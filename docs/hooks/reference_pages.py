"""Tables of reference that are made from the code: commands, settings, what ships."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from nas.cli.commands import COMMANDS
from nas.cli.hydra import schema
from nas.cli.hydra.help import explanations
from nas.config import TRACKERS, Config, DeviceConfig
from nas.resources import shipped
from nas.space import SearchSpace

_WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false", Any: "anything"}
_PLURALS = {str: "texts", int: "whole numbers", float: "numbers", Any: "values"}


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting.

    Attributes:
        name: Its full name, as on the command line.
        kind: Its type, in words.
        default: Its value if nothing else is set, as in YAML.
        meaning: What it means.
    """

    name: str
    kind: str
    default: str
    meaning: str


def filled(markdown: str) -> str:
    """The text of a page, with the tables in the places of their markers."""
    for marker, make in _TABLES.items():
        if (place := f"<!-- {marker} -->") in markdown:
            markdown = markdown.replace(place, make())
    return markdown


def settings() -> dict[str, list[Setting]]:
    """All settings by their part of the configuration; ``""`` holds those that belong to none."""
    parts: dict[str, list[Setting]] = {"": []}
    for setting in _settings(Config, _composed(), ""):
        part = setting.name.partition(".")[0] if "." in setting.name else ""
        parts.setdefault(part, []).append(setting)
    for name, kind in TRACKERS.items():
        of_tracker = _settings(kind, _composed(f"tracker={name}").tracker, "tracker.")
        known = {setting.name for setting in parts["tracker"]}
        parts["tracker"] += [setting for setting in of_tracker if setting.name not in known]
    return parts


def _composed(*overrides: str) -> DictConfig:
    schema.register()
    with initialize_config_dir(schema.conf_dir(), version_base=schema.VERSION_BASE):
        return hydra_compose(schema.CONFIG_NAME, list(overrides))


def _settings(cls: type, values: DictConfig, prefix: str) -> Iterator[Setting]:
    hints, meanings = typing.get_type_hints(cls), explanations(cls)
    plain = OmegaConf.to_container(values, resolve=False)
    assert isinstance(plain, dict)
    for field in dataclasses.fields(cls):
        name, hint = f"{prefix}{field.name}", hints[field.name]
        if dataclasses.is_dataclass(hint):
            yield from _settings(typing.cast(type, hint), values[field.name], f"{name}.")
        else:
            yield Setting(
                name=name, kind=_kind(hint), default=_flow(plain[field.name]), meaning=meanings[field.name]
            )


def _kind(hint: Any) -> str:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        return ", or ".join("null" if part is type(None) else _kind(part) for part in arguments)
    if origin is list:
        return f"list of {_PLURALS[arguments[0]]}"
    if origin is dict:
        return f"{_PLURALS[arguments[1]]} by name"
    return _WORDS[hint]


def _flow(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...").strip("'")


def _table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    cells = [head, ["---"] * len(head), *rows]
    escaped = ([cell.replace("|", "\\|") for cell in row] for row in cells)
    return "\n".join(f"| {' | '.join(row)} |" for row in escaped)


def _commands() -> str:
    def rows() -> Iterator[Sequence[str]]:
        for name in COMMANDS:
            parts = ", ".join(f"[`{part}`](settings.md#{_anchor(part)})" for part in COMMANDS[name].reads)
            yield f"`nas {name}`", COMMANDS[name].summary, parts

    return _table(("command", "what it does", "parts of the configuration that it reads"), rows())


def _anchor(part: str) -> str:
    """The heading on the page of settings that a part, or a setting of no part, stands below."""
    return part if dataclasses.is_dataclass(typing.get_type_hints(Config)[part]) else "general"


def _settings_tables() -> str:
    groups, meanings = _groups(), explanations(Config)
    lines = []
    for part, members in settings().items():
        lines += [f"## {part} {{ #{part} }}", "", meanings[part], ""] if part else ["## General", ""]
        if part in groups:
            lines += [f"Ready-made: {', '.join(f'`{part}={name}`' for name in groups[part])}.", ""]
        rows = ((f"`{one.name}`", one.kind, f"`{one.default}`", one.meaning) for one in members)
        lines += [_table(("setting", "type", "default", "meaning"), rows), ""]
    return "\n".join(lines)


def _groups() -> dict[str, list[str]]:
    """Names of ready-made parts, by part."""
    folders = sorted(path for path in shipped("conf").iterdir() if path.is_dir())
    return {folder.name: sorted(path.stem for path in folder.glob("*.yaml")) for folder in folders}


def _spaces() -> str:
    def rows() -> Iterator[Sequence[str]]:
        for path in sorted(shipped("search_spaces").glob("*.yaml")):
            space = SearchSpace.load(path)
            about = yaml.safe_load(path.read_text(encoding="utf-8"))["description"]
            yield f"`{path.stem}`", f"{space.size:.1e}", _range(space.resolutions), " ".join(about.split())

    return _table(("name", "networks", "pixels", "description"), rows())


def _range(values: Sequence[int]) -> str:
    return str(values[0]) if len(values) == 1 else f"{min(values)} to {max(values)}"


def _devices() -> str:
    def rows() -> Iterator[Sequence[str]]:
        for path in sorted((shipped("conf") / "device").glob("*.yaml")):
            device = schema.load(DeviceConfig, path)
            comment = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
            yield f"`{path.stem}`", device.runtime, device.precision, f"{device.threads}", comment

    return _table(("name", "runtime", "precision", "threads", "description"), rows())


_TABLES: dict[str, Callable[[], str]] = {
    "table of commands": _commands,
    "tables of settings": _settings_tables,
    "table of search spaces": _spaces,
    "table of devices": _devices,
}
