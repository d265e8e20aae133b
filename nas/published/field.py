"""The field: published networks with their published accuracy, which a user could take without a search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from nas import files, resources
from nas.errors import UserError
from nas.network import NetworkSpec, reference_network
from nas.published.accuracies import FOLDER, SCHEMA

_FIELD = "field"


@final
@dataclass(frozen=True, kw_only=True)
class FieldNetwork:
    """A reference network with its published accuracy.

    Attributes:
        network: Name of the reference network.
        resolution: Height and width of its input.
        top1: Accuracy from 0 to 1.
        source: The publication of the accuracy.
    """

    network: str
    resolution: int
    top1: float
    source: str

    @property
    def name(self) -> str:
        """A name that tells resolutions apart."""
        return f"{self.network} {self.resolution} px"

    def spec(self, *, classes: int, input_channels: int) -> NetworkSpec:
        """The network.

        Raises:
            UserError: If there is no such reference network.
        """
        return reference_network(
            self.network, resolution=self.resolution, classes=classes, input_channels=input_channels
        )


def read_field(data: str) -> tuple[FieldNetwork, ...]:
    """Reads the field of some images, e.g. ``ImageNet``.

    Raises:
        UserError: If there is none, or its file is damaged.
    """
    path = resources.find(f"{FOLDER}/{_FIELD}", data.lower(), ".json", what="field of published networks")
    value = files.read_json(path)
    with files.fields_of(path, remedy="restore the file"):
        if value["schema"] != SCHEMA:
            raise UserError(f"{path} has schema {value['schema']!r}; this version reads schema {SCHEMA}")
        return tuple(
            FieldNetwork(
                network=each["network"],
                resolution=int(each["resolution"]),
                top1=float(each["top1_percent"]) / 100,
                source=each["source"],
            )
            for each in value["networks"]
        )
