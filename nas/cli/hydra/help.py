"""``--help``: every setting with its value and meaning."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator, Sequence
from typing import Any

import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.object_type import ObjectType
from omegaconf import DictConfig, OmegaConf

from nas.cli.hydra import schema

_VALUE_WIDTH = 44


def command_help(name: str, summary: str, *, reads: Sequence[str], overrides: Sequence[str]) -> str:
    """Returns the help of a command, with the values set on its command line.

    Args:
        name: The command.
        summary: One line about the command.
        reads: The parts of the configuration that the command reads.
        overrides: The overrides of the command line.
    """
    with initialize_config_dir(schema.conf_dir(), version_base=schema.VERSION_BASE):
        cfg = hydra_compose(schema.CONFIG_NAME, list(overrides), return_hydra_config=True)
        HydraConfig.instance().set_config(cfg)
        groups = list(_groups(GlobalHydra.instance().config_loader(), cfg, reads))
        settings = list(_settings(cfg, reads))
    return "\n".join([_usage(name, summary), *groups, "", "Settings (SETTING=VALUE):", *settings])


def explanations(cls: type) -> dict[str, str]:
    """Returns the meaning of each field of a configuration class, from its docstring."""
    meanings: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        section = (
            (inspect.getdoc(base) or "").partition("Attributes:\n")[2] if "__doc__" in vars(base) else ""
        )
        for entry in re.finditer(r"^    (\w+): (.*(?:\n {8,}.*)*)", section, re.MULTILINE):
            meanings[entry[1]] = " ".join(entry[2].split())
    return meanings


def _usage(name: str, summary: str) -> str:
    return f"""nas {name}: {summary}

usage: nas {name} [GROUP=OPTION ...] [SETTING=VALUE ...] [--multirun] [--cfg job] [--help]

  --multirun    runs every combination of comma-separated values: seed=0,1,2
  --cfg job     prints the configuration and exits
  A folder conf/ in the working directory is searched first: conf/data/mine.yaml adds data=mine.

Groups (GROUP=OPTION):"""


def _groups(loader: ConfigLoader, cfg: DictConfig, reads: Sequence[str]) -> Iterator[str]:
    for group in loader.list_groups(""):
        if group not in (*reads, "experiment"):
            continue
        current = cfg.hydra.runtime.choices.get(group)
        options = loader.get_group_options(group, ObjectType.CONFIG)
        yield f"  {group}: {', '.join(options)}   (now: {current})"


def _settings(cfg: DictConfig, reads: Sequence[str]) -> Iterator[str]:
    meanings = explanations(_class(cfg))
    for key in ("space", "seed", "name", "run_dir", "modules", *reads):
        yield from _lines(cfg, str(key), meanings.get(str(key), ""), indent=0)


def _lines(node: DictConfig, key: str, meaning: str, *, indent: int) -> Iterator[str]:
    value = None if OmegaConf.is_missing(node, key) else node[key]
    name = "  " * indent + key
    if isinstance(value, DictConfig) and dataclasses.is_dataclass(OmegaConf.get_type(value)):
        yield _line(f"{name}:", meaning)
        meanings = explanations(_class(value))
        for below in value:
            yield from _lines(value, str(below), meanings.get(str(below), ""), indent=indent + 1)
    else:
        yield _line(f"{name}: {'???' if OmegaConf.is_missing(node, key) else _flow(value)}", meaning)


def _line(text: str, meaning: str) -> str:
    return f"{text:<{_VALUE_WIDTH}} # {meaning}" if meaning else text


def _flow(value: Any) -> str:
    plain = OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
    text = yaml.safe_dump(plain, default_flow_style=True, width=10_000, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


def _class(node: DictConfig) -> type:
    cls = OmegaConf.get_type(node)
    assert cls is not None
    return cls
