"""``deploy/manifest.json``: the exported files and their measurements."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from nas.deploy.interface import Input
from nas.deploy.parity import Parity
from nas.errors import UserError
from nas.files import content_sha256, fields_of, read_json, write_json

MANIFEST = "manifest.json"


@final
@dataclass(frozen=True, kw_only=True)
class Spread:
    """A measured quantity, in the unit of its field.

    Attributes:
        value: The value at the machine's usual speed, if ``disturbed`` is empty: the figure that a table
            predicts.
        low: Lower end of its 95 % confidence interval.
        high: Upper end of its 95 % confidence interval.
        raw: The value at the machine's speed during the measurement.
        typical: The median of all samples, disturbed ones included.
        slowdown: The machine's slowdown compared with its usual speed; ``None`` if that is unknown.
        disturbed: Description of the disturbance; empty if none was detected.
    """

    value: float
    low: float
    high: float
    raw: float | None = None
    typical: float | None = None
    slowdown: float | None = None
    disturbed: str = ""

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Spread:
        """Reads JSON values; earlier versions called ``typical`` the median, and counted samples."""
        names = {each.name for each in dataclasses.fields(cls)}
        known = {name: item for name, item in value.items() if name in names}
        return cls(**{"typical": value.get("median"), **known})


@final
@dataclass(frozen=True, kw_only=True)
class Artefact:
    """One exported file.

    Attributes:
        name: Name of its network.
        format: Name of its format.
        file: Name of its file or folder within the manifest's folder.
        sha256: Hash of its content.
        size_bytes: Its size.
        parity: Its difference from the trained network; ``None`` if it could not be run here.
        test_correct: Number of test images that the file itself classifies correctly; ``None`` until counted.
        test_total: Number of test images; ``None`` until counted.
        test_by_class: Both counts of each class; empty in older manifests.
        latency_ms: Measured time of one inference; ``None`` until measured.
        predicted_ms: Latency that a table in the file's precision predicts; ``None`` without one.
        estimated: Whether the prediction rests on estimates.
        device: The device of the measurement, in the form of ``Device.to_dict``.
        versions: Versions of the packages that wrote and ran it.
        note: What users of the file have to know; empty for nothing.
        input: The images that it takes; ``None`` in older manifests.
        origin: The source of its initial weights; empty for random ones.
    """

    name: str
    format: str
    file: str
    sha256: str
    size_bytes: int
    parity: Parity | None
    test_correct: int | None = None
    test_total: int | None = None
    test_by_class: tuple[tuple[int, int], ...] = ()
    latency_ms: Spread | None = None
    predicted_ms: float | None = None
    estimated: bool = False
    device: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    input: Input | None = None
    origin: Mapping[str, str] = field(default_factory=dict)

    @property
    def batch(self) -> int:
        """Images per inference of the measured latency."""
        return int(self.device.get("batch", 1))

    def to_dict(self) -> dict[str, Any]:
        """Returns the artefact as JSON values."""
        mappings = {
            "device": dict(self.device),
            "versions": dict(self.versions),
            "origin": dict(self.origin),
        }
        return {**dataclasses.asdict(self), **mappings}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Artefact:
        """The inverse of ``to_dict``."""
        latency, parity, takes = value["latency_ms"], value["parity"], value.get("input")
        return cls(
            **{
                **value,
                "parity": None if parity is None else Parity(**parity),
                "test_by_class": tuple((right, images) for right, images in value.get("test_by_class", ())),
                "latency_ms": None if latency is None else Spread.from_dict(latency),
                "input": None if takes is None else _input(takes),
            }
        )


def _input(value: Mapping[str, Any]) -> Input:
    return Input(**{**value, "mean": tuple(value["mean"]), "std": tuple(value["std"])})


def write_manifest(folder: Path, artefacts: Iterable[Artefact]) -> Path:
    """Writes ``manifest.json`` into ``folder``, atomically, and returns its path."""
    path = folder / MANIFEST
    write_json(path, {"artefacts": [artefact.to_dict() for artefact in artefacts]})
    return path


def read_manifest(folder: Path, *, check_files: bool = False) -> tuple[Artefact, ...]:
    """Reads the artefacts of a folder.

    Args:
        folder: Folder of ``manifest.json``.
        check_files: Whether to check that every file exists and is unchanged.

    Raises:
        UserError: If there is no manifest or it cannot be read, or a file was changed.
    """
    path = folder / MANIFEST
    value = read_json(path)
    with fields_of(path, remedy="export again: nas export"):
        artefacts = tuple(Artefact.from_dict(item) for item in value["artefacts"])
    for artefact in artefacts if check_files else ():
        file = folder / artefact.file
        if not file.exists() or content_sha256(file) != artefact.sha256:
            raise UserError(
                f"{file} is missing or was changed after {MANIFEST} was written; export again: nas export"
            )
    return artefacts
