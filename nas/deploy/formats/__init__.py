"""Export formats: to add one, put a file into this folder that registers a ``Format``."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from nas.errors import UserError
from nas.registry import Registry

if TYPE_CHECKING:
    from nas.deploy.environments import Environment
    from nas.deploy.quantised import Int8
    from nas.nn import StaticNetwork

FloatImages = NDArray[np.float32]
Predict = Callable[[FloatImages], NDArray[np.float32]]
"""Maps normalised images (N, C, H, W) to logits (N, classes)."""

USUAL_AGREEMENT = 0.97
"""Top-1 agreement of the INT8 version of a trained network."""

LEAST_AGREEMENT = 0.7
"""Top-1 agreement clearly below which an INT8 version is wrong.

Wrong ones, such as one calibrated on unnormalised images or one without biases, gave 0.35 at most; rough
ones, such as one calibrated on a single image or one of random weights, 0.8 or more.
"""


class CannotRunError(UserError):
    """This machine cannot run an artefact that may be correct; the message says why."""


class ConverterError(UserError):
    """A converter failed; the message names the network's file, the reason and the converter's log.

    Attributes:
        output: What the converter printed.
        operation: Name of the operation that it does not know; empty if only its output may tell.
    """

    def __init__(self, message: str, *, output: str = "", operation: str = "") -> None:
        super().__init__(message)
        self.output, self.operation = output, operation


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Source:
    """The source of an export.

    Attributes:
        model: The trained network, in evaluation mode.
        onnx: The same network in FP32 ONNX; its metadata describe classes and images.
        calibration: Normalised training images (N, C, H, W), for formats that quantise; may be empty.
        int8: How INT8 files are written.
        batch: Images of one inference; ``None`` for any number.
        logs: Folder for the output of converters.
        rejected: Folder for artefacts that are wrong.
    """

    model: StaticNetwork
    onnx: Path
    calibration: FloatImages
    int8: Int8
    batch: int | None = None
    logs: Path
    rejected: Path

    @contextmanager
    def saved_calibration(self) -> Iterator[Path]:
        """Gives a temporary file with the calibration images.

        Raises:
            UserError: If there are none.
        """
        if not len(self.calibration):
            raise UserError("no images to calibrate INT8 on; give at least one")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "images.npy"
            np.save(path, self.calibration)
            yield path


class Format(ABC):
    """An export format.

    Attributes:
        NAME: Its name in ``export.formats``.
        SUMMARY: What it is, in one line.
        SUFFIX: Suffix of its files or folders, e.g. ``".onnx"`` or ``".int8.onnx"``.
        PRECISION: Precision of the weights: ``"fp32"``, ``"fp16"`` or ``"int8"``.
        CALIBRATED: Whether its numbers are scaled to the activations of calibration images.
        PACKAGES: Distributions that write and run it.
        EXTRA: The extra of ``hwnas`` that installs them; empty if ``hwnas`` itself does.
        ENVIRONMENT: The environment that its converter runs in; ``None`` for this one.
        RUNTIMES: Runtimes of devices that measure its files.
        TOLERANCE: Largest error allowed against PyTorch, relative to the largest output.
        AGREEMENT: Lowest top-1 agreement allowed, for formats that round; it replaces the tolerance. ``None``
            for other formats.
        NOTE: What users of its files have to know; empty for nothing.
        LIBRARY: The library that runs its files, by its name on Hugging Face's Hub; empty for none.
        USAGE: Python code, without ``nas``, that loads the artefact ``"FILE"`` and computes ``logits``
            (N, classes) of ``images`` (N, C, H, W), both arrays of NumPy (``np``). Its first line is a
            comment, the command that installs what it imports. Empty for none.
    """

    NAME: ClassVar[str]
    SUMMARY: ClassVar[str] = ""
    SUFFIX: ClassVar[str]
    PRECISION: ClassVar[str] = "fp32"
    CALIBRATED: ClassVar[bool] = False
    PACKAGES: ClassVar[tuple[str, ...]] = ()
    EXTRA: ClassVar[str] = ""
    ENVIRONMENT: ClassVar[Environment | None] = None
    RUNTIMES: ClassVar[frozenset[str]] = frozenset()
    TOLERANCE: ClassVar[float]
    AGREEMENT: ClassVar[float | None] = None
    NOTE: ClassVar[str] = ""
    LIBRARY: ClassVar[str] = ""
    USAGE: ClassVar[str] = ""

    @abstractmethod
    def write(self, source: Source, path: Path) -> None:
        """Writes the artefact to ``path``, a file or a folder, atomically.

        Raises:
            ConverterError: If a converter fails.
        """

    @abstractmethod
    def open(self, path: Path) -> Predict:
        """Loads an artefact to run it on this machine.

        Raises:
            UserError: If the file is missing or damaged.
            CannotRunError: If this machine has no runtime for it.
        """

    def note(self, path: Path) -> str:
        """Returns what users of an artefact have to know; empty for nothing."""
        return self.NOTE

    def versions(self) -> dict[str, str]:
        """Returns the versions of the packages that write and run it."""
        return {name: version for name in self.PACKAGES if (version := _version(name))}

    @final
    def missing(self) -> tuple[str, ...]:
        """Returns the names of its packages that are not installed."""
        return tuple(name for name in self.PACKAGES if _version(name) is None)

    @final
    def require(self) -> None:
        """Checks that its packages are installed.

        Raises:
            UserError: If one is not; the message names the extra to install.
        """
        if missing := self.missing():
            raise UserError(
                f"export format {self.NAME} needs {', '.join(missing)}; install with: {self.install_command}"
            )

    @final
    def lacks_converter(self) -> bool:
        """Returns whether its converter needs an environment that is not installed."""
        return self.ENVIRONMENT is not None and not self.ENVIRONMENT.is_complete

    @final
    def require_converter(self, *, install: bool) -> None:
        """Checks that its converter is here, or may be installed.

        Raises:
            UserError: If it is not. The message says what would be installed, and how.
        """
        if self.ENVIRONMENT is not None and self.lacks_converter() and not install:
            raise UserError(
                f"export format {self.NAME} needs {self.ENVIRONMENT.describe()}; "
                "export.install=true installs it"
            )

    @final
    def prepare(self, *, install: bool, logs: Path) -> None:
        """Installs its converter, if that needs an environment that is not here.

        Args:
            install: Whether it may be installed.
            logs: Folder for the output of the installation.

        Raises:
            UserError: If it may not, or the installation fails.
        """
        self.require_converter(install=install)
        if self.ENVIRONMENT is not None:
            self.ENVIRONMENT.install(log=logs / f"{self.ENVIRONMENT.name}-install.log")

    @property
    @final
    def install_command(self) -> str:
        """The command that installs its packages."""
        extra = f"hwnas[{self.EXTRA}]" if self.EXTRA else " ".join(self.PACKAGES)
        return f"pip install '{extra}'"


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


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
        UserError: If the format is unknown, its packages are missing, or the file cannot be run.
    """
    kind = find_format(format)
    kind.require()
    if not path.exists():
        raise UserError(f"{path} does not exist; export the network first: nas export run_dir=…")
    return kind.open(path)


def in_batches(predict: Predict, size: int) -> Predict:
    """Lets a network with a fixed batch predict any number of images; the last batch is padded."""

    def predict_all(images: FloatImages) -> NDArray[np.float32]:
        parts = [images[start : start + size] for start in range(0, len(images), size)]
        return np.concatenate([predict(filled(part, size))[: len(part)] for part in parts])

    return predict_all


def filled(images: FloatImages, size: int) -> FloatImages:
    """Repeats the last image until there are ``size`` images."""
    return np.concatenate([images, np.repeat(images[-1:], size - len(images), axis=0)])
