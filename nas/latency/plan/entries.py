"""Whole networks and reference models among the entries of a kit; the other entries are probes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nas.network import NetworkSpec

REFERENCE = "reference"
"""The role of the reference models in a kit, and the beginning of their names."""

REFERENCE_NETWORKS = ("reference-small", "reference-large")
"""The reference models that are networks."""


@dataclass(frozen=True)
class KitNetwork:
    """A whole network in a kit.

    Attributes:
        id: Its name, unique in the kit.
        role: ``"correction"``, ``"validation"`` or ``"network"``.
        network: The network, or an ONNX file, which is measured unchanged.
        name: A name for the user; empty for none.
        sizes: Sizes that the file leaves open, by name.
    """

    id: str
    role: str
    network: NetworkSpec | Path
    name: str = ""
    sizes: Mapping[str, int] = field(default_factory=dict)
