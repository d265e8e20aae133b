"""The latency table of one device: costs of blocks, their measurements, and the error."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.arrays import FloatArray
from nas.blocks import BlockSpec
from nas.errors import UserError
from nas.hardware import Device
from nas.latency.models.accuracy import Accuracy
from nas.latency.models.base import LatencyModel, read_model, write_model
from nas.latency.models.blocks import BlockCost, BlockModel
from nas.latency.storage import checked_table, find_table, read_file, table_faults, write_table
from nas.network import NetworkSpec

if TYPE_CHECKING:
    from nas.arrays import IntArray
    from nas.space import SearchSpace

DISTURBED = "disturbed"
_SHOWN = 5


@dataclass(frozen=True)
class Record:
    """The latency of one probe or network.

    Attributes:
        role: ``"probe"``; a whole network is ``"correction"`` if the model was fitted on it, ``"validation"``
            if it validates the model.
        blocks: Keys of all its blocks in order; empty if ``architecture`` determines them.
        mean_ms: The undisturbed latency.
        std_ms: Standard deviation of the quieter rounds.
        count: Number of these.
        rounds_ms: The smallest sample of each round, if saved.
        target: Keys of the blocks that a probe measures.
        context: The probe's context.
        architecture: The code of an architecture of the table's space.
        predicted_ms: The prediction in validation, if saved: by the table, or, if the table was fitted on
            this network too, by a model that was not.
    """

    role: str
    blocks: tuple[str, ...]
    mean_ms: float
    std_ms: float
    count: int
    rounds_ms: tuple[float, ...] = ()
    target: tuple[str, ...] = ()
    context: str = ""
    architecture: str = ""
    predicted_ms: float | None = None


@dataclass(frozen=True, kw_only=True)
class LatencyTable:
    """Latencies on one device, with one runtime, precision, batch and thread count.

    Attributes:
        name: The table's name.
        device: The measured device.
        space: Name of its search space; empty if there is none.
        model: From the blocks of a network to its latency.
        accuracy: The error on networks that the model has not seen; ``None`` if unknown.
        probes: The measured chains and networks.
        protocol: The protocol of the measurement.
        references_ms: Latency of the reference models, which shows the machine's speed.
        provenance: Date, versions and the like.
    """

    name: str
    device: Device
    space: str = ""
    model: LatencyModel
    accuracy: Accuracy | None = None
    probes: tuple[Record, ...] = ()
    protocol: Mapping[str, Any] = field(default_factory=dict)
    references_ms: Mapping[str, float] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, name_or_path: str | Path) -> LatencyTable:
        """Reads a table.

        ``nas.latency.load_table`` also reads results of ``measure.pyz``.

        Args:
            name_or_path: A name in ``latency_tables/`` (of the working directory, then ours), or a path.

        Raises:
            UserError: If it is missing, cut off, edited, or of another version.
        """
        path = find_table(name_or_path)
        return cls.from_content(read_file(path), path=path)

    @classmethod
    def from_content(cls, content: Mapping[str, Any], *, path: Path) -> LatencyTable:
        """The table in the content of a file.

        Args:
            content: The JSON value of the file.
            path: The file, for messages.

        Raises:
            UserError: If it is not a table of this version, or was edited.
        """
        with table_faults(path):
            return _from_dict(checked_table(content, path=path))

    def save(self, path: Path) -> None:
        """Writes the table atomically."""
        write_table(path, _to_dict(self))

    @property
    def costs(self) -> Mapping[str, BlockCost]:
        """Cost of each block, by key; empty if the table was derived from whole networks."""
        return self.model.costs if isinstance(self.model, BlockModel) else {}

    @property
    def disturbed(self) -> str:
        """The known disturbance of the measurement, as text; empty if there is none."""
        return str(self.provenance.get(DISTURBED, ""))

    def marked(self, disturbance: str) -> LatencyTable:
        """The table with one more known disturbance; an empty one changes nothing."""
        if not disturbance or disturbance in self.disturbed:
            return self
        disturbed = "; ".join(filter(None, [self.disturbed, disturbance]))
        return dataclasses.replace(self, provenance={**self.provenance, DISTURBED: disturbed})

    def missing(self, network: NetworkSpec) -> tuple[BlockSpec, ...]:
        """The network's blocks that the table lacks, each once."""
        return self.model.missing(network.blocks)

    def is_estimate(self, network: NetworkSpec) -> bool:
        """Whether the prediction for the network uses an estimate in place of a measurement."""
        return self.model.is_estimate(network.blocks)

    def predict(self, network: NetworkSpec) -> float:
        """The latency of one batch through ``network``, in ms.

        Raises:
            UserError: If blocks are missing. The message lists them and how to measure them.
        """
        return self.predict_blocks(network.blocks)

    def predict_blocks(self, blocks: Iterable[BlockSpec]) -> float:
        """The latency of one batch through a network of these blocks, in ms.

        Raises:
            UserError: If blocks are missing.
        """
        blocks = tuple(blocks)
        if missing := self.model.missing(blocks):
            raise self._lacks(missing)
        return self.model.predict(blocks)

    def predict_many(
        self, space: SearchSpace, rows: IntArray, *, classes: int = 1000, input_channels: int | None = None
    ) -> FloatArray:
        """The latencies, (N,), of many architectures in ms, equal to ``predict`` for each.

        Args:
            space: The space of the rows.
            rows: Encoded architectures, (N, genes).
            classes: Outputs of the networks' classifier.
            input_channels: Channels of the input image; the space's by default.

        Raises:
            UserError: If blocks are missing.
        """
        lowered = space.lower_many(rows, classes=classes, input_channels=input_channels)
        if missing := self.model.missing(lowered.blocks[number] for number in lowered.used()):
            raise self._lacks(missing)
        return self.model.predict_many(lowered)

    def with_blocks(self, costs: Mapping[str, BlockCost], *, probes: Iterable[Record] = ()) -> LatencyTable:
        """A table with ``costs`` added. Existing ones are replaced."""
        assert isinstance(self.model, BlockModel), "a table from whole networks never lacks a block"
        return dataclasses.replace(self, model=self.model.with_costs(costs), probes=(*self.probes, *probes))

    def _lacks(self, missing: Iterable[BlockSpec]) -> UserError:
        keys = [block.key for block in missing]
        shown = "".join(f"\n  {key}" for key in keys[:_SHOWN])
        more = f"\n  and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
        space = f" space={self.space}" if self.space else ""
        plural = "s" if len(keys) > 1 else ""
        return UserError(
            f"the latency table {self.name} (space {self.space or 'none'}, device {self.device.name}) lacks "
            f"{len(keys)} block{plural} of this network:{shown}{more}\n"
            f"measure them on the device: nas table device={self.device.name}{space} "
            "(with the space, resolutions, classes and input channels of the network)"
        )


def _to_dict(table: LatencyTable) -> dict[str, Any]:
    keys = list(
        dict.fromkeys([*table.model.keys(), *(key for probe in table.probes for key in probe.blocks)])
    )
    number = {key: i for i, key in enumerate(keys)}
    return {
        "name": table.name,
        "space": table.space,
        "device": table.device.to_dict(),
        "protocol": dict(table.protocol),
        "references_ms": dict(table.references_ms),
        "provenance": dict(table.provenance),
        "accuracy": "unknown" if table.accuracy is None else table.accuracy.to_dict(),
        "keys": keys,
        "model": write_model(table.model, number),
        "probes": [_record_to_dict(probe, number) for probe in table.probes],
    }


def _from_dict(value: Mapping[str, Any]) -> LatencyTable:
    keys = value["keys"]
    return LatencyTable(
        name=value["name"],
        space=value["space"],
        device=Device.from_dict(value["device"]),
        protocol=value["protocol"],
        references_ms=value["references_ms"],
        provenance=value["provenance"],
        model=read_model(value["model"], keys),
        accuracy=None if value["accuracy"] == "unknown" else Accuracy.from_dict(value["accuracy"]),
        probes=tuple(_record_from_dict(probe, keys) for probe in value["probes"]),
    )


def _record_to_dict(record: Record, number: Mapping[str, int]) -> dict[str, Any]:
    value = dataclasses.asdict(record)
    return {**value, **{name: [number[key] for key in value[name]] for name in ("blocks", "target")}}


def _record_from_dict(value: Mapping[str, Any], keys: Sequence[str]) -> Record:
    named = {name: tuple(keys[i] for i in value[name]) for name in ("blocks", "target")}
    return Record(**{**value, **named, "rounds_ms": tuple(value["rounds_ms"])})
