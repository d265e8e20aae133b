"""Between Hydra and ``nas.config``: the schema that Hydra checks against, and typed values out of it.

OmegaConf takes a frozen dataclass for a read-only node, on which no file and no override can set anything. So
Hydra is given a mutable twin of every configuration class, and the twins are turned into the frozen originals
once everything is set.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

import nas.config
from nas.cli.hydra.own import OwnConf, TextFiles
from nas.config import Config, WandbConfig
from nas.errors import UserError, unknown, yaml_fault
from nas.files import read_text
from nas.resources import shipped

CONFIG_NAME = "nas"
VERSION_BASE = "1.3"
_LONGEST_FOLDER_NAME = 120
_NOT_IN_JOB_NAMES = ("experiment", "run_dir")  # they are in the name of the run folder

_TWIN = "Twin"

_ORIGINALS: dict[type, type] = {}

Part = TypeVar("Part")


def conf_dir() -> str:
    """The folder of our own configuration files; absolute, which works from a checkout and from a wheel."""
    return str(shipped("conf"))


def register() -> None:
    """Makes the schema, the resolvers and the user's own ``conf/`` known to Hydra; may be called again."""
    store = ConfigStore.instance()
    store.store(name="schema", node=_twin(Config))
    store.store(group="schema/tracker", name="wandb", node=_twin(WandbConfig))
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
    config = _freeze(OmegaConf.to_object(cfg), "")
    assert isinstance(config, Config)
    return config


def load(cls: type[Part], path: Path) -> Part:
    """One part of the configuration, from a file that Hydra has not read.

    Raises:
        UserError: If the file does not fit.
    """
    schema: type = cls
    try:
        cfg = OmegaConf.merge(OmegaConf.structured(_twin(schema)), OmegaConf.create(read_text(path)))
        found = _freeze(OmegaConf.to_object(cfg), "")
    except YAMLError as error:
        raise UserError(f"{path} is not valid YAML: {yaml_fault(error)}") from None
    except OmegaConfBaseException as error:
        raise UserError(f"{path} does not fit: {str(error).splitlines()[0]}") from None
    assert isinstance(found, cls)
    return found


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


def original(cls: type) -> type:
    """The frozen configuration class that a class which Hydra was given stands for."""
    return _ORIGINALS.get(cls, cls)


@functools.cache
def _twin(cls: type) -> type:
    """The mutable twin of a frozen configuration class; nested classes and bases are twins too."""
    hints = get_type_hints(cls)
    fields = [
        (field.name, _twin_type(hints[field.name]), _twin_field(field))
        for field in dataclasses.fields(cls)
        if field.name in cls.__annotations__
    ]
    bases = tuple(_twin(base) for base in cls.__bases__ if dataclasses.is_dataclass(base))
    twin = dataclasses.make_dataclass(cls.__name__, fields, bases=bases, kw_only=True)
    twin.__module__, twin.__qualname__ = __name__, f"{_TWIN}{cls.__name__}"
    _ORIGINALS[twin] = cls
    return twin


def __getattr__(name: str) -> type:
    """Twins by their names, by which launchers hand them over to other processes."""
    cls = getattr(nas.config, name.removeprefix(_TWIN), None) if name.startswith(_TWIN) else None
    if not isinstance(cls, type):
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return _twin(cls)


def _twin_type(hint: Any) -> Any:
    return _twin(hint) if dataclasses.is_dataclass(hint) and isinstance(hint, type) else hint


def _twin_field(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is dataclasses.MISSING:
        return dataclasses.field(default=field.default)
    return dataclasses.field(default_factory=_twin_type(field.default_factory))


def _freeze(value: Any, name: str) -> Any:
    """The frozen original of a twin, all the way down."""
    if type(value) not in _ORIGINALS:
        return value
    cls = _ORIGINALS[type(value)]
    names = [field.name for field in dataclasses.fields(cls)]
    for key in vars(value):
        if key not in names:
            raise unknown("setting", f"{name}{key}", (f"{name}{other}" for other in names))
    return cls(**{key: _freeze(getattr(value, key), f"{name}{key}.") for key in names})


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
