"""Inference runtimes, one file each, which is named after the runtime.

A file has a tuple ``PRECISIONS`` of the precisions that it runs, and a function ``open_device(device)`` from
the kit's device (a dict) to a ``Runtime``. It may have functions ``takes_turns(device)``,
``needs_process(device)`` and ``claim_process(device)``. Importing the file loads no library.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, cast

from ..errors import RunnerError
from ..protocol import Model


class Runtime(ABC):
    """An inference runtime for one device."""

    @property
    @abstractmethod
    def version(self) -> str:
        """The runtime's version."""

    @property
    def open_at_once(self) -> int:
        """Models that may be open at the same time without disturbing each other's timing."""
        return 4000

    def has_room(self) -> bool:
        """Whether there is memory for one more open model."""
        return True

    @property
    def leaves_open(self) -> bool:
        """Whether models that are open at the end of a measurement stay open until this process ends."""
        return False

    @abstractmethod
    def open(self, path: Path) -> Model:
        """Loads a model.

        Raises:
            RunnerError: If it cannot be loaded, or would not run on the device's provider alone.
        """

    def profile(self, path: Path) -> list[tuple[str, float]]:
        """The time of each operator of a model, by the runtime's own profiler.

        Profiling costs time at each operator. The figures show fused and slow operators, not latencies.

        Args:
            path: The model.

        Returns:
            The name of each operator in the runtime, and its microseconds in one run.

        Raises:
            RunnerError: If the model cannot be loaded, or the runtime has no profiler.
        """
        raise RunnerError(f"{type(self).__module__.rsplit('.', 1)[-1]} has no profiler; use another runtime")


_REGISTERED: dict[str, Path] = {}
"""Files of users' runtimes by name. ``measure.pyz`` contains them too."""


def register(file: Path) -> None:
    """Registers the runtime in a file under the file's name.

    Args:
        file: A Python file like those of this folder, with the same relative imports.

    Raises:
        RunnerError: If there is no such file, or another runtime has its name.
    """
    if not file.is_file():
        raise RunnerError(f"there is no file {file}; name the file of a runtime")
    if file.stem in runtimes() and _REGISTERED.get(file.stem) != file:
        raise RunnerError(f"there is a runtime {file.stem!r} already; rename {file}")
    _REGISTERED[file.stem] = file


def registered() -> dict[str, Path]:
    """The files of registered runtimes, by name."""
    return dict(_REGISTERED)


def runtimes() -> list[str]:
    """The names of all runtimes."""
    return sorted({*_REGISTERED, *(module.name for module in pkgutil.iter_modules(__path__))})


def check_precision(device: dict[str, Any]) -> None:
    """Checks that the runtime of ``device`` runs its precision.

    Raises:
        RunnerError: If there is no such runtime, or it does not.
    """
    allowed = _module(device).PRECISIONS
    if device["precision"] not in allowed:
        raise RunnerError(
            f"{device['runtime']} runs no {device['precision']} here; choose device.precision from "
            f"{', '.join(allowed)}, or another runtime"
        )


def takes_turns(device: dict[str, Any]) -> bool:
    """Whether chains of blocks are timed in turns, one run each, so that they share the caches of a CPU.

    A runtime decides by a function of this name in its file. Without one, chains run back to back.
    """
    return bool(_optional(device, "takes_turns"))


def needs_process(device: dict[str, Any]) -> bool:
    """Whether models need a process that does nothing but measure."""
    return bool(_optional(device, "needs_process"))


def claim_process(device: dict[str, Any]) -> None:
    """Sets up this process, which from now on only measures for ``device``.

    It is called before any model is opened.
    """
    _optional(device, "claim_process")


def _optional(device: dict[str, Any], function: str) -> Any:
    """The result of an optional function in the runtime's file, ``None`` if there is none."""
    optional = getattr(_module(device), function, None) if device.get("runtime") in runtimes() else None
    return None if optional is None else optional(device)


def open_runtime(device: dict[str, Any]) -> Runtime:
    """The runtime of ``device``, set up for it.

    Raises:
        RunnerError: If there is no such runtime, it is not installed, or it lacks the provider or precision.
    """
    check_precision(device)
    return cast(Runtime, _module(device).open_device(device))


def _module(device: dict[str, Any]) -> Any:
    name = str(device.get("runtime"))
    if name not in runtimes():
        raise RunnerError(f"unknown runtime {name!r}; allowed: {', '.join(runtimes())}")
    module = f"{__name__}.{name}"
    if name in _REGISTERED and module not in sys.modules:
        _load(module, _REGISTERED[name])
    return importlib.import_module(module)


def _load(module: str, file: Path) -> None:
    spec = importlib.util.spec_from_file_location(module, file)
    assert spec is not None and spec.loader is not None, file
    sys.modules[module] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(sys.modules[module])
    except BaseException:
        del sys.modules[module]
        raise
