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
    """The prefix of its file's name."""

    @abstractmethod
    def check(self, device: Mapping[str, Any]) -> None:
        """Raises a ``UserError`` if the program cannot measure for ``device`` (a dict)."""

    @abstractmethod
    def model(self, path: Path) -> Path:
        """The file that the program reads for a kit's ONNX model.

        Raises:
            UserError: If there is none.
        """

    @abstractmethod
    def script(self, program: str, model: str, *, runs: int, device: Mapping[str, Any]) -> str:
        """The shell script that runs a model ``runs`` times, with the device's paths of both files."""

    @abstractmethod
    def seconds(self, printed: str) -> float | None:
        """The average latency in seconds from the printed text; ``None`` if it contains none."""


_BENCHMARKS: Registry[type[Benchmark]] = Registry(
    "benchmark program", package="nas.latency.targets.benchmarks", hint="The file's name must begin so"
)
register = _BENCHMARKS.register
"""Class decorator that registers a program under its ``NAME``."""


def benchmarks() -> tuple[str, ...]:
    """The names of all registered programs."""
    return _BENCHMARKS.names()


def find_benchmark(binary: Path) -> Benchmark:
    """The program of a file, by the file's name.

    Raises:
        UserError: If there is no such file, or its name begins with no program's name.
    """
    if not binary.is_file():
        raise UserError(
            f"table.remote.binary: there is no file {binary}; name a program built for the device"
        )
    name = next((name for name in _BENCHMARKS if binary.name.startswith(name)), binary.name)
    return _BENCHMARKS.find(name)()
