"""The interface to a benchmark program: its command line, and the latency in its output."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from nas.errors import UserError
from nas.registry import Registry


class Benchmark(ABC):
    """A program that runs one model many times and prints the average latency."""

    NAME: ClassVar[str]
    """The beginning of its file's name."""

    @abstractmethod
    def check(self, device: Mapping[str, Any]) -> None:
        """Raises a ``UserError`` if it does not measure what ``device`` (a dict) describes."""

    @abstractmethod
    def model(self, path: Path) -> Path:
        """The form that it reads of a kit's ONNX model.

        Raises:
            UserError: If there is none.
        """

    @abstractmethod
    def script(self, program: str, model: str, *, runs: int, device: Mapping[str, Any]) -> str:
        """The shell script that runs a model ``runs`` times; ``program`` and ``model`` are paths there."""

    @abstractmethod
    def seconds(self, printed: str) -> float | None:
        """The average latency in what it printed; ``None`` if there is none."""


_BENCHMARKS: Registry[type[Benchmark]] = Registry(
    "benchmark program", package="nas.latency.targets.benchmarks", hint="The file's name must begin so"
)
register = _BENCHMARKS.register
"""Class decorator that makes a program known by its ``NAME``."""


def benchmarks() -> tuple[str, ...]:
    """The programs that are known."""
    return _BENCHMARKS.names()


def find_benchmark(binary: Path) -> Benchmark:
    """The program that a file is, by its name.

    Raises:
        UserError: If there is no such file, or its name begins with that of no known program.
    """
    if not binary.is_file():
        raise UserError(
            f"table.remote.binary: there is no file {binary}; name a program built for the device"
        )
    name = next((name for name in _BENCHMARKS if binary.name.startswith(name)), binary.name)
    return _BENCHMARKS.find(name)()
