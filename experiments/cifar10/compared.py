"""What the scripts of this folder share: targets, the compared networks, and the file that holds them."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nas.errors import UserError
from nas.files import read_json, write_json
from nas.network import NetworkSpec

EXPERIMENT = "cifar10"
SETTINGS = (
    "experiment=attention_cifar10",
    "space=mixed_32",
    "train.recipe=fairnas",
    "train.epochs=12",
    "trust.networks=12",
    "trust.epochs=3",
    "trust.images=validation",
    "search.objectives=[calibrated_accuracy,latency]",
    "finish.init=scratch",
    "finish.epochs=6",
    f"run_dir=runs/{EXPERIMENT}",
)
TARGETS: dict[str, tuple[str, ...]] = {
    "x86": ("device=this_machine",),
    "x86_int8": ("device=this_machine_int8",),
    "openvino_32": ("device=this_machine_openvino", "device.batch=32", "table.budget=45m"),
    "raspberry_pi_5": ("device=raspberry_pi_5", "table.name=roofline"),
    "pixel_6": ("device=pixel_6", "table.name=roofline"),
}
"""The targets, by their settings."""
MEASURED = ("x86", "x86_int8", "openvino_32")
"""Targets that are measured; the latencies of the others are bounds by a roofline."""
SEARCHES: dict[str, tuple[str, tuple[str, ...]]] = {
    **{name: (name, ()) for name in TARGETS},
    "x86_supernet": ("x86", ("search.objectives=[accuracy,latency]",)),
    "x86_random": ("x86", ("search.sampler=random",)),
}
"""The searches: each has a target and further settings."""
NETWORKS = "networks.json"
TRAINED = "trained.csv"


@dataclass(frozen=True)
class Subject:
    """A network of the comparison.

    Attributes:
        name: Its name.
        search: The search that found it; empty for a published network.
        budget_ms: The search's budget in ms; ``None`` for a published network.
        predicted_ms: What the table of the search's target predicts; ``None`` for a published network.
        latencies_ms: For each target the latency in ms, with its interval if it was measured: ``value``,
            ``low`` and ``high``.
        network: The network.
    """

    name: str
    search: str
    budget_ms: float | None
    predicted_ms: float | None
    latencies_ms: Mapping[str, Mapping[str, float]]
    network: NetworkSpec

    @property
    def target(self) -> str:
        """The target of its search."""
        return SEARCHES[self.search][0]

    def ms(self, target: str) -> float:
        """The latency on a target."""
        return self.latencies_ms[target]["value"]


def distinct(subjects: Sequence[Subject]) -> dict[NetworkSpec, str]:
    """The different networks, each with the name of the first subject that is this network."""
    names: dict[NetworkSpec, str] = {}
    for each in subjects:
        names.setdefault(each.network, each.name)
    return names


def fingerprint(network: NetworkSpec) -> str:
    """A few digits that tell networks apart."""
    return hashlib.sha256(json.dumps(network.to_dict(), sort_keys=True).encode()).hexdigest()[:12]


def packed(images: np.ndarray) -> str:
    """Which images a network classifies correctly, as text: base64 of one bit for each image."""
    return base64.b64encode(np.packbits(images).tobytes()).decode()


def unpacked(text: str, images: int) -> np.ndarray:
    """The opposite of ``packed``, for so many images."""
    bits = np.unpackbits(np.frombuffer(base64.b64decode(text), np.uint8), count=images)
    return bits.astype(bool)


def write_subjects(path: Path, subjects: Sequence[Subject], *, about: Mapping[str, Any]) -> None:
    """Writes the networks with their latencies, and facts about these."""
    items = [{**asdict(each), "network": each.network.to_dict()} for each in subjects]
    write_json(path, {**about, "networks": items})


def read_subjects(path: Path) -> list[Subject]:
    """Reads the networks.

    Raises:
        UserError: If there are none yet, or the file is damaged.
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist yet; find.py of this folder makes it")
    try:
        items = read_json(path)["networks"]
        return [Subject(**{**item, "network": NetworkSpec.from_dict(item["network"])}) for item in items]
    except (KeyError, TypeError) as error:
        raise UserError(
            f"{path} is damaged ({error}); delete it, and find.py of this folder makes it"
        ) from None
