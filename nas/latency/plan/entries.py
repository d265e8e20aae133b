"""Whole networks among the entries of a kit; the other entries are probes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nas.network import NetworkSpec


@dataclass(frozen=True)
class KitNetwork:
    """A whole network in a kit.

    Attributes:
        id: Its name, unique in the kit.
        role: ``"correction"``, ``"validation"`` or ``"network"``.
        network: The network, or an ONNX file, which is measured unchanged.
    """

    id: str
    role: str
    network: NetworkSpec | Path
