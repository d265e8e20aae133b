"""Target formats: a file in this folder that registers a ``Format`` is all that a new one takes."""

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
"""Normalised images (N, C, H, W) to logits (N, classes)."""


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Source:
    """What a format is made from.

    Attributes:
        model: The trained network, in evaluation mode.
        onnx: The same network in FP32 ONNX, which parity has been checked for.
        calibration: Normalised training images (N, C, H, W), for formats that quantise; may be empty.
        int8_target: What an INT8 file is for, one of ``nas.quantization.SCHEMES``.
    """

    model: StaticNetwork
    onnx: Path
    calibration: FloatImages
    int8_target: str = "x86"


class Format(ABC):
    """A kind of file that a target runs.

    Attributes:
        NAME: What ``export.formats`` calls it.
        SUFFIX: The ending of its files, e.g. ``".onnx"`` or ``".int8.onnx"``.
        TOLERANCE: The largest error against PyTorch that passes for it, relative to the largest output.
        AGREEMENT: The least share of the images that must get the same first class, for formats that round;
            it replaces the tolerance. ``None`` for all others.
    """

    NAME: ClassVar[str]
    SUFFIX: ClassVar[str]
    TOLERANCE: ClassVar[float]
    AGREEMENT: ClassVar[float | None] = None

    @abstractmethod
    def write(self, source: Source, path: Path) -> None:
        """Writes the artefact to ``path``, as a whole or not at all.

        Raises:
            UserError: If a package that it needs is absent; the message names the extra to install.
        """

    @abstractmethod
    def open(self, path: Path) -> Predict:
        """Loads an artefact so that it can be run on this machine.

        Raises:
            UserError: If the file is missing or damaged, or this machine cannot run it.
        """

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """The versions of the packages that write and run it."""


_FORMATS: Registry[type[Format]] = Registry("export format", package=__name__)
register = _FORMATS.register
"""Class decorator that makes a format known by its ``NAME``."""


def format_names() -> tuple[str, ...]:
    """The names of all formats."""
    return _FORMATS.names()


def find_format(name: str) -> Format:
    """A format by its name.

    Raises:
        UserError: If there is none; the message lists those that exist.
    """
    return _FORMATS.find(name)()


def open_artefact(path: Path, *, format: str = "onnx") -> Predict:
    """Loads an artefact of ``format``: normalised images (N, C, H, W) in, logits (N, classes) out.

    Raises:
        UserError: If the format is unknown, or the file cannot be run.
    """
    return find_format(format).open(path)
