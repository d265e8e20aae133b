"""A concrete network and its lowering to blocks, the only place that computes geometry."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from nas.blocks import LARGEST, BlockSettings, BlockSpec, Rounding, Shape, settings_from_dict
from nas.blocks.linear import classifier
from nas.errors import UserError
from nas.files import read_json


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """The position of a block in its network.

    Attributes:
        section: ``"stem"``, ``"stages"``, ``"head"`` or ``"classifier"``.
        stage: The stage's number, from 0; 0 outside the stages.
        index: The block's number within its stage or section, from 0.
    """

    section: str
    stage: int
    index: int

    def __str__(self) -> str:
        if self.section == "classifier":
            return "classifier"
        stage = f" {self.stage}" if self.section == "stages" else ""
        return f"{self.section.removesuffix('s')}{stage} block {self.index}"


CLASSIFIER = Place("classifier", 0, 0)

NORM_EPSILON = 1e-5
"""PyTorch's BatchNorm epsilon."""


def check_norm_epsilon(value: object) -> None:
    """Raises a ``UserError`` if a BatchNorm epsilon is not a small positive number."""
    if not isinstance(value, float) or not 0 < value < 1:
        raise UserError(
            f"norm_epsilon is {value!r}; it is a number between 0 and 1, usually 1.0e-5 or 1.0e-3"
        )


@dataclass(frozen=True, kw_only=True)
class NetworkSpec:
    """A network in ratios, before any rounding.

    It is independent of search spaces: a scaled network leaves its space, and a published one has none.

    Attributes:
        resolution: Height and width of the input image.
        input_channels: Channels of the input image.
        classes: Outputs of the classifier that follows the head.
        stem: Blocks before the stages.
        stages: One tuple of blocks for each stage.
        head: Blocks after the stages, pooling included.
        rounding: How ratios become channel counts.
        norm_epsilon: BatchNorm adds it to the variance; it costs nothing, but trained weights depend on it.
    """

    resolution: int
    input_channels: int = 3
    classes: int = 1000
    stem: tuple[BlockSettings, ...] = ()
    stages: tuple[tuple[BlockSettings, ...], ...] = ()
    head: tuple[BlockSettings, ...] = ()
    rounding: Rounding = Rounding()
    norm_epsilon: float = NORM_EPSILON

    def __post_init__(self) -> None:
        for name in ("resolution", "input_channels", "classes"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= LARGEST:
                raise UserError(f"{name} is {value!r}; it must be a whole number from 1 to {LARGEST}")
        check_norm_epsilon(self.norm_epsilon)

    @property
    def input_shape(self) -> Shape:
        return Shape(self.input_channels, self.resolution, self.resolution)

    def settings(self) -> Iterator[tuple[Place, BlockSettings]]:
        """Every block's place and settings, in order, without the classifier."""
        yield from ((Place("stem", 0, i), block) for i, block in enumerate(self.stem))
        for number, stage in enumerate(self.stages):
            yield from ((Place("stages", number, i), block) for i, block in enumerate(stage))
        yield from ((Place("head", 0, i), block) for i, block in enumerate(self.head))

    @cached_property
    def placed_blocks(self) -> tuple[tuple[Place, BlockSpec], ...]:
        """Every block in counts and its place, the classifier included.

        Raises:
            UserError: If a block does not fit its input. The message names the place.
        """
        shape, result = self.input_shape, []
        for place, settings in self.settings():
            block = lower(settings, shape, self.rounding, place)
            result.append((place, block))
            shape = block.out_shape
        return (*result, (CLASSIFIER, lower_classifier(shape, self.classes)))

    @cached_property
    def blocks(self) -> tuple[BlockSpec, ...]:
        """Every block in counts, stem, head and classifier included."""
        return tuple(block for _, block in self.placed_blocks)

    @cached_property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return sum(block.macs for block in self.blocks)

    @cached_property
    def params(self) -> int:
        """Trainable parameters."""
        return sum(block.params for block in self.blocks)

    def bytes_moved(self, precision: str = "fp32", *, batch: int = 1) -> int:
        """Bytes that all operations read and write, unfused."""
        return sum(block.bytes_moved(precision, batch=batch) for block in self.blocks)

    def to_dict(self) -> dict[str, Any]:
        """The network as JSON values."""
        return {
            "resolution": self.resolution,
            "input_channels": self.input_channels,
            "classes": self.classes,
            "rounding": dataclasses.asdict(self.rounding),
            "stem": [block.to_dict() for block in self.stem],
            "stages": [[block.to_dict() for block in stage] for stage in self.stages],
            "head": [block.to_dict() for block in self.head],
            **({} if self.norm_epsilon == NORM_EPSILON else {"norm_epsilon": self.norm_epsilon}),
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> NetworkSpec:
        """The inverse of ``to_dict``.

        Raises:
            UserError: If a key is unknown or missing, or a value does not fit.
        """
        fields = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(value, Mapping):
            raise UserError(f"a network is a mapping with {', '.join(sorted(fields))}, not {value!r:.60}")
        if unknown_keys := set(value) - fields:
            raise UserError(
                f"a network has no {sorted(unknown_keys)}; its keys are {', '.join(sorted(fields))}"
            )
        try:
            sections = {name: _section(value[name], name) for name in ("stem", "head")}
            stages = tuple(_section(stage, f"stage {number}") for number, stage in enumerate(value["stages"]))
            rounding = Rounding(**value["rounding"])
            sizes = {name: value[name] for name in ("resolution", "input_channels", "classes")}
            epsilon = value.get("norm_epsilon", NORM_EPSILON)
        except KeyError as error:
            raise UserError(f"the network lacks {error}; its keys are {', '.join(sorted(fields))}") from None
        except TypeError as error:
            raise UserError(f"the network cannot be read: {error}") from None
        return cls(
            **sizes,
            stem=sections["stem"],
            stages=stages,
            head=sections["head"],
            rounding=rounding,
            norm_epsilon=epsilon,
        )


def read_network(path: Path) -> NetworkSpec:
    """The network of a JSON file: the whole file or its key ``network``, as in a run's ``winner.json``.

    Raises:
        UserError: If the file is missing or holds no network.
    """
    value = read_json(path)
    network = value.get("network", value) if isinstance(value, Mapping) else value
    try:
        return NetworkSpec.from_dict(network)
    except UserError as error:
        raise UserError(
            f"{path} holds no network: {error}; name a file such as search/winner.json or scale/scale.json "
            "of a run"
        ) from None


def _section(blocks: Any, name: str) -> tuple[BlockSettings, ...]:
    return tuple(settings_from_dict(block, where=f"{name} block {i}") for i, block in enumerate(blocks))


def lower(settings: BlockSettings, shape: Shape, rounding: Rounding, place: Place) -> BlockSpec:
    """Lowers one block to counts, for an input of ``shape``.

    Raises:
        UserError: If the block does not fit its input, or its output has no pixel.
    """
    try:
        block = _lower(settings, shape, rounding)
        out_shape = block.out_shape
    except UserError as error:
        raise UserError(f"{place}: {error}") from None
    if out_shape.height < 1 or out_shape.width < 1:
        raise UserError(
            f"{place}: an image of {shape.height}×{shape.width} pixels shrinks to nothing; use a higher "
            "resolution"
        )
    return block


@lru_cache(maxsize=2**14)
def _lower(settings: BlockSettings, shape: Shape, rounding: Rounding) -> BlockSpec:
    """Lowers a block down to its operations, once for all networks that share it."""
    block = settings.lower(shape, rounding)
    block.ops  # noqa: B018 - computed here, because it can fail as well
    return block


def lower_classifier(shape: Shape, classes: int) -> BlockSpec:
    """The classifier in counts.

    Raises:
        UserError: If the head does not end in a vector.
    """
    try:
        return classifier(shape, classes)
    except UserError as error:
        raise UserError(f"{CLASSIFIER}: {error}") from None
