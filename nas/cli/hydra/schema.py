"""Connects Hydra and ``nas.config``: a schema for Hydra, and typed values from its result.

OmegaConf treats frozen classes as read-only nodes, so the schema is made writable for Hydra.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar, get_type_hints

from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from nas.cli.hydra.user_conf import OwnConf, TextFiles
from nas.config import TRACKERS, Config
from nas.errors import UserError, unknown, yaml_fault
from nas.files import YAML_FAULTS, read_text
from nas.resources import shipped

CONFIG_NAME = "nas"
VERSION_BASE = "1.3"
_LONGEST_FOLDER_NAME = 120
_NOT_IN_JOB_NAMES = ("experiment", "run_dir")  # already in the run folder's name

Part = TypeVar("Part")


def conf_dir() -> str:
    """Returns the absolute path of the shipped configuration files, in a checkout and in a wheel."""
    return str(shipped("conf"))


@cache  # a process that runs several commands makes the schema once
def register() -> None:
    """Registers the schema, the resolvers and the user's own ``conf/`` with Hydra; may be called again."""
    store = ConfigStore.instance()
    store.store(name="schema", node=_schema(Config))
    for name, tracker in TRACKERS.items():
        store.store(group="schema/tracker", name=name, node=_schema(tracker))
    OmegaConf.register_new_resolver("run_name", _run_name, replace=True)
    OmegaConf.register_new_resolver("stem", lambda path: Path(path).stem, replace=True)
    OmegaConf.register_new_resolver("folder_name", folder_name, replace=True)
    OmegaConf.register_new_resolver("sweep_name", _sweep_name, replace=True)
    for plugin in (OwnConf, TextFiles):
        Plugins.instance().register(plugin)


def typed(cfg: DictConfig) -> Config:
    """Converts Hydra's result to the frozen configuration.

    Raises:
        UserError: If an added key matches no setting.
        omegaconf.errors.OmegaConfBaseException: If a value is missing or cannot be interpolated.
    """
    return _object(Config, cfg)


def load(cls: type[Part], path: Path) -> Part:
    """Reads one part of the configuration from a file, without Hydra.

    Raises:
        UserError: If the file does not fit the schema.
    """
    try:
        cfg = OmegaConf.merge(_schema(cls), OmegaConf.create(read_text(path)))
        assert isinstance(cfg, DictConfig)
        return _object(cls, cfg)
    except UserError:
        raise
    except OmegaConfBaseException as error:
        raise UserError(f"{path} does not fit: {str(error).splitlines()[0]}") from None
    except (YAMLError, *YAML_FAULTS) as error:
        raise UserError(f"{path} is not valid YAML: {yaml_fault(error)}") from None


def name_jobs(arguments: Sequence[str]) -> str:
    """Returns the override that names the jobs of a multirun after the settings that vary.

    Args:
        arguments: The command line; Hydra reports unreadable overrides.
    """
    fixed = set(_NOT_IN_JOB_NAMES)
    for argument in arguments:
        try:
            override = OverridesParser.create().parse_override(argument)
        except HydraException:
            continue
        if not override.is_sweep_override():
            fixed.add(override.key_or_group)
    return f"hydra.job.config.override_dirname.exclude_keys=[{','.join(sorted(fixed))}]"


def _schema(cls: type) -> DictConfig:
    """Returns the schema of a frozen class, writable at every level."""
    node: DictConfig = OmegaConf.structured(cls)
    OmegaConf.set_readonly(node, None)
    for name, hint in get_type_hints(cls).items():
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            node[name] = _schema(hint)
    return node


def _object(cls: type[Part], cfg: DictConfig) -> Part:
    _check_keys(cfg, "")
    value = OmegaConf.to_object(cfg)
    assert isinstance(value, cls)
    return value


def _check_keys(node: DictConfig, prefix: str) -> None:
    """Rejects added keys that the classes lack."""
    cls = OmegaConf.get_type(node)
    if not dataclasses.is_dataclass(cls):
        return  # a mapping with free keys
    names = [field.name for field in dataclasses.fields(cls)]
    for key in map(str, node):
        if key not in names:
            raise unknown("setting", f"{prefix}{key}", (f"{prefix}{name}" for name in names))
        is_set = not OmegaConf.is_missing(node, key) and not OmegaConf.is_interpolation(node, key)
        if is_set and isinstance(node[key], DictConfig):
            _check_keys(node[key], f"{prefix}{key}.")


def _run_name(date: str, name: str, *, _root_: DictConfig) -> str:
    """Returns the run folder's name: the experiment's, or one that starts with the date."""
    # While a job runs, Hydra's own settings are no longer part of the configuration.
    experiment = OmegaConf.select(_root_, "hydra.runtime.choices.experiment")
    if experiment is None and HydraConfig.initialized():
        experiment = HydraConfig.get().runtime.choices.get("experiment")
    return str(experiment) if experiment else f"{date}-{name}"


def _sweep_name() -> str | None:
    """Returns the name of the multirun's folder; ``None`` outside a multirun."""
    if not HydraConfig.initialized() or HydraConfig.get().mode != RunMode.MULTIRUN:
        return None
    return Path(str(HydraConfig.get().sweep.dir)).name


def folder_name(overrides: str) -> str:
    """Returns the folder of a multirun's job: its overrides, with special characters replaced.

    The name is valid as a folder and, unquoted, in ``run_dir=…``.
    """
    name = re.sub(r"[^\w.+-]+", "-", overrides.replace(",", "+"))
    if len(name) <= _LONGEST_FOLDER_NAME:
        return name
    import hashlib

    return f"{name[:_LONGEST_FOLDER_NAME]}-{hashlib.sha256(overrides.encode()).hexdigest()[:8]}"
