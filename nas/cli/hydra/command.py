"""The frame of every command: composes, checks, logs, runs, and reports errors in one line."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, final

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from nas.cli.hydra import schema
from nas.cli.hydra.errors import is_fault, make_user_error, unwritable
from nas.cli.hydra.help import command_help
from nas.cli.processes import place
from nas.cli.screen import LOG, USER_ERROR, error, log_to, say, silence, standard_streams
from nas.config import Config
from nas.errors import UserError
from nas.files import write_text
from nas.masking import masked
from nas.plugins import load_plugins

INTERRUPTED = 130
LOG_FILE = "nas.log"

_BY_NAME = ("search.bounds", "search.options", "search.tables", "measure.sizes")

_FULL_ERROR = "HYDRA_FULL_ERROR"
_INFO = ("--info", "-i")
_WITH_VALUE = frozenset(
    (
        *("--cfg", "-c", "--package", "-p", "--config-name", "-cn", "--config-path", "-cp"),
        *("--config-dir", "-cd", "--experimental-rerun"),
    )
)


@final
@dataclass(frozen=True, kw_only=True)
class Job:
    """One run of a command's body.

    Attributes:
        command: The command's name.
        overrides: The overrides of this job from the command line.
        run_dir: The folder of this job; it exists.
    """

    command: str
    overrides: tuple[str, ...]
    run_dir: Path


Body = Callable[[Config, Job], None]


@final
@dataclass(frozen=True, kw_only=True)
class Command:
    """A command.

    Attributes:
        name: Name of the command and of its module.
        summary: One line for ``--help``.
        reads: Parts of the configuration that the command reads; ``--help`` shows them.
        body: The function that runs a job.
        joins: Whether several processes can run the command together.
        notes: Lines that ``--help`` adds.
    """

    name: str
    summary: str
    reads: tuple[str, ...]
    body: Body
    joins: bool = False
    notes: Callable[[], Iterable[str]] = tuple

    def main(self, arguments: Sequence[str] | None = None) -> int:
        """Runs the command and returns its exit code.

        Args:
            arguments: The command line after the command's name; by default, this process's.
        """
        with standard_streams():
            return self._main(
                [_expand(argument) for argument in (sys.argv[1:] if arguments is None else arguments)]
            )

    def _main(self, arguments: list[str]) -> int:
        try:
            return self._run(arguments)
        except KeyboardInterrupt:
            again = shlex.join(["nas", self.name, *arguments])
            error(f"interrupted; the same command resumes from here: {again}", prefix="")
            return INTERRUPTED
        except _ReportedError:
            return USER_ERROR
        except Exception as fault:
            if not is_fault(fault):
                raise  # a bug of ours keeps its traceback
            error(str(make_user_error(fault, overrides=arguments)))
            return USER_ERROR

    def _run(self, arguments: list[str]) -> int:
        schema.register()
        flags, overrides = split_flags(arguments)
        if {"-h", "--help"} & set(flags):
            print(command_help(self.name, self.summary, reads=self.reads, overrides=overrides))
            for line in self.notes():
                print(line)
            return 0
        _check_flags(flags)
        entry = hydra.main(
            config_path=schema.conf_dir(),
            config_name=schema.CONFIG_NAME,
            version_base=schema.VERSION_BASE,
        )(self._task())
        if {"-m", "--multirun"} & set(flags):
            overrides = [*overrides, schema.name_jobs(overrides)]
        with _command_line([sys.argv[0], *flags, *overrides]):
            entry()
        return 0

    def _task(self) -> Callable[[DictConfig], None]:
        def task(cfg: DictConfig) -> None:
            _run_job(self, cfg)

        task.__module__ = f"nas.cli.{self.name}"  # Hydra names the job after it
        return task


class _ReportedError(Exception):
    """A user error that has been reported already."""


def _run_job(command: Command, cfg: DictConfig) -> None:
    hydra_cfg = HydraConfig.get()
    sweep = hydra_cfg.mode == RunMode.MULTIRUN
    overrides = tuple(map(str, OmegaConf.to_container(hydra_cfg.overrides.task, resolve=False) or ()))
    cfg.run_dir = str(_relative(Path(hydra_cfg.runtime.output_dir)))
    run_dir = Path(cfg.run_dir)
    with _cleared(run_dir), _reported(sweep=sweep):
        if (count := place().count) > 1 and not command.joins:
            raise UserError(
                f"nas {command.name} is one process, and {count} were started; start it alone "
                "(`nas train` is what several can do together)"
            )
        config = schema.typed(cfg)
        load_plugins(config.modules)
        _check_writable(run_dir)
    if sweep and place().leads:
        _mask_file(Path(hydra_cfg.sweep.dir) / "multirun.yaml")
    output = log_to(run_dir / LOG_FILE) if place().leads else silence()
    with _cleared(run_dir), output, _reported(sweep=sweep):
        if sweep:
            say(f"job {hydra_cfg.job.num}: {' '.join(overrides)}")
        LOG.info(masked(shlex.join(["nas", command.name, *overrides])))
        command.body(config, Job(command=command.name, overrides=overrides, run_dir=run_dir))


def _mask_file(path: Path) -> None:
    """Masks passwords in a file that Hydra writes before the jobs of a multirun."""
    if path.is_file() and (text := path.read_text(encoding="utf-8")) != masked(text):
        write_text(path, masked(text))


def _check_writable(run_dir: Path) -> None:
    if not place().leads:
        return
    is_new = not (run_dir / LOG_FILE).exists()
    try:
        (run_dir / LOG_FILE).open("a").close()
    except OSError as fault:
        raise unwritable(fault) from None
    if is_new:
        (run_dir / LOG_FILE).unlink()  # log_to makes it again


@contextmanager
def _cleared(run_dir: Path) -> Iterator[None]:
    """Removes the run folder of a failed job that wrote only its log."""
    had_log = (run_dir / LOG_FILE).exists()
    try:
        yield
    except (Exception, SystemExit):
        with suppress(OSError):
            if place().leads and not had_log and {path.name for path in run_dir.iterdir()} <= {LOG_FILE}:
                (run_dir / LOG_FILE).unlink(missing_ok=True)
                run_dir.rmdir()
                for parent in () if run_dir.is_absolute() else run_dir.parents:
                    parent.rmdir()  # fails at the first parent that is not empty, which ends the loop
        raise


@contextmanager
def _reported(*, sweep: bool) -> Iterator[None]:
    """Reports a user error and ends the job; a bug passes through."""
    try:
        yield
    except Exception as fault:
        if not is_fault(fault):
            raise
        error(str(make_user_error(fault)))
        if sweep:
            raise _ReportedError from None  # the other jobs still run
        raise SystemExit(USER_ERROR) from None


def _relative(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _expand(argument: str) -> str:
    """Rewrites arguments that Hydra would read differently.

    ``table=X`` looks like the group option ``device=X``, but X may be a path, so ``table`` is not a group.
    Settings that are mappings accept new keys without a plus.
    """
    if argument.startswith(_BY_NAME):
        return f"++{argument}"
    return f"table.name={argument.removeprefix('table=')}" if argument.startswith("table=") else argument


def split_flags(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Separates Hydra's flags and their values from overrides; Hydra ignores flags after an override."""
    flags: list[str] = []
    overrides: list[str] = []
    waiting = list(arguments)
    while waiting:
        argument = waiting.pop(0)
        if not argument.startswith("-"):
            overrides.append(argument)
            continue
        flags.append(argument)
        if argument in _INFO:  # its value is optional; without one, Hydra would take an override for it
            has_value = bool(waiting) and not waiting[0].startswith("-") and "=" not in waiting[0]
            flags.append(waiting.pop(0) if has_value else "all")
        elif argument in _WITH_VALUE and waiting:
            flags.append(waiting.pop(0))
    return flags, overrides


def _check_flags(flags: Sequence[str]) -> None:
    """Checks the flags; for a wrong flag, Hydra itself would print its own usage.

    Raises:
        UserError: If a flag is unknown, or its value is missing or not allowed.
    """
    parser = get_args_parser()
    flag = next((flag for flag in flags if flag.startswith("--") and "=" in flag), "--train.epochs=3")

    def fail(message: str) -> NoReturn:
        raise UserError(
            f"{message}; settings have no dashes: {flag.lstrip('-')}; flags are --multirun, --cfg job, --help"
        )

    parser.error = fail  # type: ignore[method-assign]
    parser.parse_args(list(flags))


@contextmanager
def _command_line(arguments: list[str]) -> Iterator[None]:
    """Sets Hydra's command line and makes Hydra raise errors instead of printing them."""
    before = os.environ.get(_FULL_ERROR)
    os.environ[_FULL_ERROR] = "1"
    sys.argv, argv = arguments, sys.argv
    try:
        yield
    finally:
        sys.argv = argv
        if before is None:
            os.environ.pop(_FULL_ERROR, None)
        else:
            os.environ[_FULL_ERROR] = before
