"""Turns errors of Hydra and OmegaConf into one message: the fault, the allowed values and the remedy."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterator, Sequence
from typing import get_type_hints

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)
from yaml import YAMLError

from nas.cli.hydra.user_conf import shadow_note
from nas.config import Config
from nas.errors import UserError, unknown, yaml_fault
from nas.files import is_full, refused_write

_EXPERIMENT = "experiment"
_REPLACED = dict.fromkeys(
    ("table.published", "table.format"), "table=NAME (published tables are in latency_tables/)"
)
"""Settings of earlier versions and their replacements."""


def is_fault(error: BaseException) -> bool:
    """Returns whether an error is the user's rather than a bug."""
    if isinstance(error, UserError | HydraException | OmegaConfBaseException | YAMLError):
        return True
    if refused_write(error) or isinstance(error, PermissionError):
        return True
    if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):  # Hydra makes the run folder
        return _raised_by(error, ("nas.", "hydra.")).startswith("hydra.")
    # Hydra raises plain ValueErrors too, e.g. for `train=1`.
    return isinstance(error, ValueError) and _raised_by(error).startswith(("hydra.", "omegaconf."))


def make_user_error(error: BaseException, *, overrides: Sequence[str] = ()) -> UserError:
    """Turns any user error into one message.

    Args:
        error: The exception.
        overrides: The command line, for errors that do not name the faulty argument.
    """
    if isinstance(error, UserError):
        return error
    if fault := _fault_of_system(error):
        return unwritable(fault)
    message = str(_fault_of_settings(error, overrides))
    return UserError(f"{message}{shadow_note(message)}")


def _fault_of_system(error: BaseException) -> OSError | None:
    own = error if isinstance(error, OSError) and not isinstance(error, HydraException) else None
    return refused_write(error) or own


def _fault_of_settings(error: BaseException, overrides: Sequence[str]) -> UserError:
    if isinstance(error, YAMLError):
        file = getattr(getattr(error, "problem_mark", None), "name", "a file")
        return UserError(f"{file} is not valid YAML: {yaml_fault(error)}")
    if isinstance(error, OverrideParseException):
        return _unreadable(error)
    if isinstance(error, MissingConfigException) and error.options is not None:
        return _unknown_option(error)
    if f"@{_EXPERIMENT}." in str(error):
        file = re.search(rf"In '({_EXPERIMENT}/[^']+)'", str(error))
        return _no_package(f"in {file[1]}.yaml: " if file else "")
    cause = error if isinstance(error, OmegaConfBaseException) else error.__cause__ or error.__context__
    if isinstance(cause, ConfigKeyError | ConfigAttributeError):
        return _unknown_key(cause, where=_place(error))
    if missing := re.search(r"missing mandatory value: (\S+)", str(cause), re.IGNORECASE):
        name = cause.full_key if isinstance(cause, MissingMandatoryValue) else missing[1]
        return UserError(f"{name} has no value; give it one: {name}=VALUE")
    if absent := re.search(r"__init__\(\) missing \d+ required keyword-only arguments?: (.+)", str(error)):
        return UserError(f"{absent[1]} cannot be removed; every setting needs a value")
    if isinstance(cause, OmegaConfBaseException):
        return _wrong_value(cause, where=_place(error))
    reason = "; ".join(line.strip() for line in str(error).splitlines() if line.strip())
    return UserError(f"{reason} (given: {' '.join(overrides)})" if overrides else reason)


def unwritable(error: OSError) -> UserError:
    """The message for a folder or a disk that cannot be written to."""
    file = str(error.filename or "")
    if isinstance(error, PermissionError) and os.access(file, os.F_OK) and not os.access(file, os.R_OK):
        return UserError(f"cannot read {file} (permission denied); let this user read it")
    place = f" to {error.filename}" if error.filename else ""
    reason = (error.strerror or str(error)).lower()
    room = "make room and repeat the command, which resumes from here, or " if is_full(error) else ""
    return UserError(f"cannot write{place} ({reason}); {room}name another folder: run_dir=FOLDER")


def _unreadable(error: OverrideParseException) -> UserError:
    reason = str(error).splitlines()[0]
    return UserError(
        f"cannot read {error.override!r} ({reason}); write key=value, a list as 'key=[a,b]', "
        "and a text with special characters in quotes: 'key=\"a=b\"'"
    )


def _unknown_option(error: MissingConfigException) -> UserError:
    group, _, name = str(error.missing_cfg_file).rpartition("/")
    return unknown(
        f"{group} option", name, error.options or (), hint=f"Your own can stand in ./conf/{group}/"
    )


def _unknown_key(cause: OmegaConfBaseException, *, where: str) -> UserError:
    full = str(cause.full_key)
    parent, dot, leaf = full.rpartition(".")
    node = cause.parent_node
    siblings = [f"{parent}{dot}{key}" for key in (node if node is not None else ()) if key != "hydra"]
    elsewhere = [name for name in setting_names() if name.rpartition(".")[2] == leaf]
    if full == _EXPERIMENT and where:
        return _no_package(where)
    if not parent:
        siblings.append(_EXPERIMENT)  # a group without a setting of that name
    if full in _REPLACED:
        return unknown("setting", full, (), replaced=_REPLACED)
    if cause.object_type is dict:
        return UserError(f"{where}{parent} has no {leaf!r} yet; add it with a plus: +{full}=VALUE")
    if elsewhere:
        message = f"unknown setting {full!r}; there is {' and '.join(elsewhere)}"
        return UserError(f"{where}{message}; allowed: {', '.join(sorted(siblings))}")
    return UserError(f"{where}{unknown('setting', full, siblings)}")


def _no_package(where: str) -> UserError:
    return UserError(
        f"{where}an experiment begins with the line `# @package _global_`; without it no setting is found"
    )


def _wrong_value(cause: OmegaConfBaseException, *, where: str) -> UserError:
    reason = str(cause).splitlines()[0]
    name = cause.full_key or "the configuration"
    if "does not support deletion" in reason:
        return UserError(f"{where}{name!r} cannot be removed; every setting needs a value")
    return UserError(f"{where}{name}: {reason}; `--help` shows what each setting takes")


def _place(error: BaseException) -> str:
    """Returns the faulty file, if Hydra names it, as a prefix for a message."""
    file = re.match(r"In '([^']+)'", str(error))
    return f"in {file[1]}.yaml: " if file else ""


def setting_names(cls: type = Config, prefix: str = "") -> Iterator[str]:
    """The dotted names of all settings."""
    hints = get_type_hints(cls)
    for field in dataclasses.fields(cls):
        hint = hints[field.name]
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            yield from setting_names(hint, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}"


def _raised_by(error: BaseException, packages: tuple[str, ...] = ("",)) -> str:
    """Returns the last module in an error's traceback that belongs to one of the packages."""
    module, trace = "", error.__traceback__
    while trace is not None:
        name = str(trace.tb_frame.f_globals.get("__name__", ""))
        module = name if name.startswith(packages) else module
        trace = trace.tb_next
    return module
