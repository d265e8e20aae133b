"""Inference runtimes, one file each; a file is found by its name and has a function ``open_device``.

``open_device(device)`` is given the kit's device (a dict) and returns a ``Runtime``.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, cast

from ..errors import RunnerError
from ..protocol import Model


class Runtime(ABC):
    """An inference runtime that is set up for one device."""

    @property
    @abstractmethod
    def version(self) -> str:
        """The runtime's version."""

    @property
    def open_at_once(self) -> int:
        """Models that may be open at the same time without disturbing each other's timing."""
        return 4000

    @abstractmethod
    def open(self, path: Path) -> Model:
        """Loads a model.

        Raises:
            RunnerError: If it cannot be loaded, or would not run on the device's provider alone.
        """


def runtimes() -> list[str]:
    """The names of the runtimes that there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def open_runtime(device: dict[str, Any]) -> Runtime:
    """The runtime that ``device`` names, set up for it.

    Raises:
        RunnerError: If there is no such runtime, it is not installed, or it lacks the provider.
    """
    name = str(device.get("runtime"))
    if name not in runtimes():
        raise RunnerError(f"unknown runtime {name!r}; allowed: {', '.join(runtimes())}")
    module = importlib.import_module(f"{__name__}.{name}")
    return cast(Runtime, module.open_device(device))
