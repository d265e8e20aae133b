"""Between Hydra and ``nas.config``: the schema that Hydra checks against, and typed values out of it.

The classes are frozen, which OmegaConf takes for read-only nodes; the schema is made writable for Hydra.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar, get_type_hints

from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from nas.cli.hydra.own import OwnConf, TextFiles
from nas.config import Config, WandbConfig
from nas.errors import UserError, unknown, yaml_fault
from nas.files import read_text
from nas.resources import shipped

CONFIG_NAME = "nas"
VERSION_BASE = "1.3"
_LONGEST_FOLDER_NAME = 120
_NOT_IN_JOB_NAMES = ("experiment", "run_dir")  # they are in the name of the run folder

Part = TypeVar("Part")


def conf_dir() -> str:
    """The folder of our own configuration files; absolute, which works from a checkout and from a wheel."""
    return str(shipped("conf"))


def register() -> None:
    """Makes the schema, the resolvers and the user's own ``conf/`` known to Hydra; may be called again."""
    store = ConfigStore.instance()
    store.store(name="schema", node=_schema(Config))
    store.store(group="schema/tracker", name="wandb", node=_schema(WandbConfig))
    OmegaConf.register_new_resolver("run_name", _run_name, replace=True)
    OmegaConf.register_new_resolver("stem", lambda path: Path(path).stem, replace=True)
    OmegaConf.register_new_resolver("folder_name", folder_name, replace=True)
    for plugin in (OwnConf, TextFiles):
        Plugins.instance().register(plugin)


def typed(cfg: DictConfig) -> Config:
    """The frozen configuration.

    Raises:
        UserError: If a key was added that nothing reads.
        omegaconf.errors.OmegaConfBaseException: If a value is missing or cannot be interpolated.
    """
    return _object(Config, cfg)


def load(cls: type[Part], path: Path) -> Part:
    """One part of the configuration, from a file that Hydra has not read.

    Raises:
        UserError: If the file does not fit.
    """
    try:
        cfg = OmegaConf.merge(_schema(cls), OmegaConf.create(read_text(path)))
        assert isinstance(cfg, DictConfig)
        return _object(cls, cfg)
    except YAMLError as error:
        raise UserError(f"{path} is not valid YAML: {yaml_fault(error)}") from None
    except OmegaConfBaseException as error:
        raise UserError(f"{path} does not fit: {str(error).splitlines()[0]}") from None


def name_jobs(arguments: Sequence[str]) -> str:
    """The override that names the jobs of a multirun after what differs between them.

    Args:
        arguments: The command line; what is no readable override is left to Hydra to complain about.
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
    """The schema that a frozen class describes, writable all the way down."""
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
    """Refuses a key that was added and that no class has."""
    cls = OmegaConf.get_type(node)
    if not dataclasses.is_dataclass(cls):
        return  # a table of names, which takes new ones
    names = [field.name for field in dataclasses.fields(cls)]
    for key in map(str, node):
        if key not in names:
            raise unknown("setting", f"{prefix}{key}", (f"{prefix}{name}" for name in names))
        is_set = not OmegaConf.is_missing(node, key) and not OmegaConf.is_interpolation(node, key)
        if is_set and isinstance(node[key], DictConfig):
            _check_keys(node[key], f"{prefix}{key}.")


def _run_name(date: str, name: str, *, _root_: DictConfig) -> str:
    """The run folder's name: the experiment's, or one made of the date."""
    # While a job runs, Hydra's own settings are no longer part of the configuration.
    found = OmegaConf.select(_root_, "hydra.runtime.choices.experiment")
    if found is None and HydraConfig.initialized():
        found = HydraConfig.get().runtime.choices.get("experiment")
    return str(found) if found else f"{date}-{name}"


def folder_name(overrides: str) -> str:
    """The folder of one job of a multirun: its overrides, without what a folder's name cannot hold.

    Nor what a setting cannot hold unquoted: the folder will stand in ``run_dir=…``.
    """
    name = re.sub(r"[^\w.+-]+", "-", overrides.replace(",", "+"))
    if len(name) <= _LONGEST_FOLDER_NAME:
        return name
    import hashlib

    return f"{name[:_LONGEST_FOLDER_NAME]}-{hashlib.sha256(overrides.encode()).hexdigest()[:8]}"
