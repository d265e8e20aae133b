"""Export formats: to add one, put a file into this folder that registers a ``Format``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from nas.registry import Registry

if TYPE_CHECKING:
    from nas.nn import StaticNetwork

FloatImages = NDArray[np.float32]
Predict = Callable[[FloatImages], NDArray[np.float32]]
"""Maps normalised images (N, C, H, W) to logits (N, classes)."""


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Source:
    """The source of an export.

    Attributes:
        model: The trained network, in evaluation mode.
        onnx: The same network in FP32 ONNX.
        calibration: Normalised training images (N, C, H, W), for formats that quantise; may be empty.
        int8_target: Target of INT8 files, one of ``nas.quantization.SCHEMES``.
    """

    model: StaticNetwork
    onnx: Path
    calibration: FloatImages
    int8_target: str = "x86"


class Format(ABC):
    """An export format.

    Attributes:
        NAME: Its name in ``export.formats``.
        SUFFIX: Suffix of its files, e.g. ``".onnx"`` or ``".int8.onnx"``.
        TOLERANCE: Largest error allowed against PyTorch, relative to the largest output.
        AGREEMENT: Lowest top-1 agreement allowed, for formats that round; it replaces the tolerance. ``None``
            for other formats.
    """

    NAME: ClassVar[str]
    SUFFIX: ClassVar[str]
    TOLERANCE: ClassVar[float]
    AGREEMENT: ClassVar[float | None] = None

    @abstractmethod
    def write(self, source: Source, path: Path) -> None:
        """Writes the artefact to ``path``, atomically.

        Raises:
            UserError: If a required package is missing; the message names the extra to install.
        """

    @abstractmethod
    def open(self, path: Path) -> Predict:
        """Loads an artefact to run it on this machine.

        Raises:
            UserError: If the file is missing or damaged, or this machine cannot run it.
        """

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """Returns the versions of the packages that write and run it."""


_FORMATS: Registry[type[Format]] = Registry("export format", package=__name__)
register = _FORMATS.register
"""Class decorator that registers a format by its ``NAME``."""


def format_names() -> tuple[str, ...]:
    """Returns the names of all formats."""
    return _FORMATS.names()


def find_format(name: str) -> Format:
    """Returns a format by its name.

    Raises:
        UserError: If the name is unknown; the message lists the known ones.
    """
    return _FORMATS.find(name)()


def open_artefact(path: Path, *, format: str = "onnx") -> Predict:
    """Loads an artefact of ``format``: normalised images (N, C, H, W) in, logits (N, classes) out.

    Raises:
        UserError: If the format is unknown, or the file cannot be run.
    """
    return find_format(format).open(path)
