"""Running tests in forks of a process that has loaded the heavy libraries."""

from __future__ import annotations

import contextlib
import importlib
import os
import resource
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

LIBRARIES: tuple[str, ...] = (
    "torch",
    "torchvision",
    "optuna",
    "onnxruntime",
    "hydra",
    "sklearn.datasets",
)
LIBRARIES += ("matplotlib.pyplot", "rich.progress", "hypothesis", "safetensors.torch", "torch.utils.data")
MEMORY_BYTES = 6 * 1024**3
MISSING = 4  # pytest's exit code for a missing test


@dataclass(frozen=True)
class Result:
    """The result of a run of tests.

    Attributes:
        code: pytest's exit code, or the negative number of the signal that ended the process.
        failed: The first test that failed, or the file that could not be collected.
    """

    code: int
    failed: str


def load_libraries() -> None:
    """Imports the libraries of the tests, but nothing from the package."""
    for name in LIBRARIES:
        importlib.import_module(name)
    assert not any(name.partition(".")[0] == "nas" for name in sys.modules), (
        "forks must import their own tree"
    )


def run_tests(tree: Path, tests: Sequence[str], *, log: Path, cpu_s: float, wall_s: float) -> Result:
    """Runs tests in a tree until the first fails.

    Args:
        tree: The tree of code and tests.
        tests: pytest's names of the tests.
        log: The file of their output.
        cpu_s: CPU time after which the process is ended.
        wall_s: Wall time after which the process is ended.
    """
    failed = log.with_suffix(".failed")
    failed.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        _in_child(tree, tests, log, failed, cpu_s)
    try:
        code = _wait(child, wall_s)
    finally:
        _end_group(child)
    return Result(code, failed.read_text("utf-8") if failed.exists() else "")


def _in_child(tree: Path, tests: Sequence[str], log: Path, failed: Path, cpu_s: float) -> None:
    code = 70
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (int(cpu_s) + 1, int(cpu_s) + 5))
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
        stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(stream, 1)
        os.dup2(stream, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(tree)
        sys.path[:] = [str(tree), *(path for path in sys.path if path not in ("", os.environ["PYTHONPATH"]))]
        os.environ["PYTHONPATH"] = str(tree)
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        sys.dont_write_bytecode = True
        options = ["-x", "-q", "--tb=short", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
        code = int(pytest.main([*options, *tests], plugins=[_First(failed)]))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _wait(child: int, wall_s: float) -> int:
    deadline = time.monotonic() + wall_s
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -signal.SIGALRM


def _end_group(child: int) -> None:
    """Ends processes that tests have left running."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)


@dataclass(frozen=True)
class _First:
    """A pytest plugin that writes the name of the first failure."""

    path: Path
    _names: list[str] = field(default_factory=list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._write(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._write(report)

    def _write(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.failed and not self._names:
            self._names.append(report.nodeid)
            self.path.write_text(report.nodeid, encoding="utf-8")
