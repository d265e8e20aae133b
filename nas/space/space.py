"""A search space: finite lists of choices, and sampling from them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nas import resources
from nas.arrays import IntArray
from nas.blocks import BlockSettings, BlockSpec, Rounding
from nas.errors import UserError
from nas.network import NORM_EPSILON, NetworkSpec, Place, check_norm_epsilon
from nas.space.architecture import Architecture, Choice
from nas.space.checks import find_warnings
from nas.space.enumeration import enumerate_blocks
from nas.space.lower_many import ManyLowering
from nas.space.lowering import Lowered
from nas.space.reading import read_yaml
from nas.space.restrict import Limits, restrict
from nas.space.rows import ABSENT, Dimension, RowCoding
from nas.space.stage import Choices, StageSpace


@dataclass(frozen=True)
class SearchSpace:
    """Stages with finite lists of choices.

    Attributes:
        name: The space's name.
        resolutions: Input resolutions to choose from.
        stages: The elastic part.
        stem: Fixed blocks before it.
        head: Fixed blocks after it.
        rounding: How ratios become channel counts.
        norm_epsilon: BatchNorm's epsilon in every network.
        input_channels: Channels of the input image, by default.
        description: The purpose of the space.
        source: The publication that the space follows.
        stated_size: The number of networks that the file states, if any. ``warnings`` checks it.
    """

    name: str
    resolutions: tuple[int, ...]
    stages: tuple[StageSpace, ...]
    stem: tuple[BlockSettings, ...] = ()
    head: tuple[BlockSettings, ...] = ()
    rounding: Rounding = Rounding()
    norm_epsilon: float = NORM_EPSILON
    input_channels: int = 3
    description: str = field(default="", compare=False)
    source: str = field(default="", compare=False)
    stated_size: int | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        check_norm_epsilon(self.norm_epsilon)
        self.blocks_by_place(resolutions=(min(self.resolutions),))  # fails if a block does not fit

    @classmethod
    def load(cls, name: str | Path) -> SearchSpace:
        """Reads a space by name (from ``search_spaces/``) or from a YAML file.

        Raises:
            UserError: If there is no such space, or its file is invalid. The message says why.
        """
        path = resources.find("search_spaces", name, ".yaml", what="search space")
        fields = read_yaml(path)
        try:
            return cls(**fields)
        except UserError as error:
            raise UserError(f"{path.name}: {error}") from None

    # -- dimensions ---------------------------------------------------------------------------------------

    @cached_property
    def coding(self) -> RowCoding:
        """The coding of architectures as rows."""
        return RowCoding(self.name, self.resolutions, self.stages)

    @property
    def dimensions(self) -> tuple[Dimension, ...]:
        """The free choices, in the order of a row's columns."""
        return self.coding.dimensions

    @property
    def size(self) -> int:
        """The number of distinct architectures."""
        return len(self.resolutions) * math.prod(stage.size for stage in self.stages)

    def warnings(self) -> tuple[str, ...]:
        """Warnings of useless choices, each with its place.

        They are kernels larger than their feature map, choices that round to the same block, and a wrong
        ``size`` in the file.
        """
        return find_warnings(self)

    def restricted(
        self,
        *,
        preferred_blocks: Sequence[str] = (),
        channel_multiple: int | None = None,
        max_width: int | None = None,
    ) -> SearchSpace:
        """The space without the choices that a device does not support well. Fixed values stay.

        Its networks belong to this space too and run in this space's supernet. Dimensions with a single
        remaining choice are no longer part of an architecture.

        Args:
            preferred_blocks: Block kinds to keep in stages with several kinds; empty keeps all.
            channel_multiple: Widths and expansions must give multiples of it.
            max_width: The largest number of channels to keep, expanded ones included.

        Raises:
            UserError: If no choice of a stage's field remains. The message names stage, field and choices.
        """
        limits = Limits(
            preferred_blocks=tuple(preferred_blocks),
            channel_multiple=1 if channel_multiple is None else channel_multiple,
            max_width=max_width,
        )
        return restrict(self, limits)

    # -- architectures ------------------------------------------------------------------------------------

    def sample(self, rng: np.random.Generator) -> Architecture:
        """One architecture with every free choice drawn uniformly."""
        return self.decode(self.sample_many(1, rng))[0]

    def smallest(self) -> Architecture:
        """The minimum of every choice: the smallest number, or the first word of the list."""
        return self._extreme([_least(d.choices) for d in self.dimensions])

    def largest(self) -> Architecture:
        """The maximum of every choice: the largest number, or the last word of the list."""
        return self._extreme([_most(d.choices) for d in self.dimensions])

    def _extreme(self, row: Sequence[int]) -> Architecture:
        return self.decode(self.canonical_rows(np.array([row], np.int64).reshape(1, len(self.dimensions))))[0]

    def parse(self, code: str) -> Architecture:
        """Reads an architecture's code and checks it against the space.

        Raises:
            UserError: If the code cannot be read, or names a choice that the space does not offer.
        """
        return self.canonical(Architecture.from_code(code))

    def canonical(self, arch: Architecture) -> Architecture:
        """Drops values that no block reads, so that equal networks are equal architectures.

        Raises:
            UserError: If a choice is missing or not offered. The message names stage and field.
        """
        return self.decode(self.encode([arch]))[0]

    def mutate(
        self, arch: Architecture, rng: np.random.Generator, *, probability: float = 0.1
    ) -> Architecture:
        """Draws each free choice again with ``probability``."""
        row = self.encode([arch])
        fresh = rng.integers(0, self.coding.radices, size=row.shape)
        change = (rng.random(row.shape) < probability) | (row == ABSENT)
        return self.decode(self.canonical_rows(np.where(change, fresh, row)))[0]

    def crossover(self, first: Architecture, second: Architecture, rng: np.random.Generator) -> Architecture:
        """A child that inherits each stage and the resolution from one of its parents."""
        a, b = self.encode([first, second])
        from_first = rng.random(len(self.stages) + 1) < 0.5
        take = np.array(
            [from_first[d.stage] for d in self.dimensions], bool
        )  # -1, the resolution, is the last
        return self.decode(np.where(take, a, b)[None])[0]

    def network(
        self, arch: Architecture, *, classes: int = 1000, input_channels: int | None = None
    ) -> NetworkSpec:
        """The concrete network of an architecture.

        Raises:
            UserError: If the architecture is not part of this space. The message names the choice.
        """
        return self._network(self.canonical(arch), classes, input_channels)

    def _network(self, arch: Architecture, classes: int, input_channels: int | None) -> NetworkSpec:
        pairs = zip(self.stages, arch.stages, strict=True)
        return NetworkSpec(
            resolution=arch.resolution or self.resolutions[0],
            input_channels=self.input_channels if input_channels is None else input_channels,
            classes=classes,
            stem=self.stem,
            stages=tuple(_stage_blocks(stage, dict(choices)) for stage, choices in pairs),
            head=self.head,
            rounding=self.rounding,
            norm_epsilon=self.norm_epsilon,
        )

    # -- rows ---------------------------------------------------------------------------------------------

    def sample_many(self, count: int, rng: np.random.Generator) -> IntArray:
        """Canonical rows of ``count`` architectures, (count, genes), every free choice drawn uniformly."""
        return self.coding.sample(count, rng)

    def canonical_rows(self, rows: IntArray) -> IntArray:
        """Rows (N, genes) with -1 for every gene that no block reads."""
        return self.coding.canonical(rows)

    def encode(self, archs: Sequence[Architecture]) -> IntArray:
        """Canonical rows (N, genes) of architectures, with -1 for genes that no block reads.

        Raises:
            UserError: If an architecture is not part of this space. The message names the choice.
        """
        return self.coding.encode(archs)

    def decode(self, rows: IntArray) -> list[Architecture]:
        """Architectures of canonical rows (N, genes); the inverse of ``encode``."""
        return self.coding.decode(rows)

    # -- blocks -------------------------------------------------------------------------------------------

    def blocks_by_place(
        self,
        *,
        resolutions: Iterable[int] | None = None,
        classes: int = 1000,
        input_channels: int | None = None,
    ) -> dict[Place, tuple[BlockSpec, ...]]:
        """The possible blocks at each place, over all choices.

        Args:
            resolutions: Some of the resolutions; all by default.
            classes: Outputs of the classifier.
            input_channels: Channels of the input image.
        """
        return enumerate_blocks(
            self,
            resolutions=self.resolutions if resolutions is None else resolutions,
            classes=classes,
            input_channels=self.input_channels if input_channels is None else input_channels,
        )

    def block_specs(
        self,
        *,
        resolutions: Iterable[int] | None = None,
        classes: int = 1000,
        input_channels: int | None = None,
    ) -> tuple[BlockSpec, ...]:
        """Every distinct block of the space's networks, as in a complete latency table."""
        places = self.blocks_by_place(resolutions=resolutions, classes=classes, input_channels=input_channels)
        return tuple(dict.fromkeys(block for blocks in places.values() for block in blocks))

    def lower_many(
        self, rows: IntArray, *, classes: int = 1000, input_channels: int | None = None
    ) -> Lowered:
        """Lowers canonical rows (N, genes) at once, to the same blocks as ``network(…).blocks``."""
        channels = self.input_channels if input_channels is None else input_channels
        if (classes, channels) not in self._many:
            self._many[classes, channels] = ManyLowering(self, classes=classes, input_channels=channels)
        return self._many[classes, channels].lower(rows)

    def costs(
        self,
        rows: IntArray,
        *,
        classes: int = 1000,
        input_channels: int | None = None,
        precision: str = "fp32",
    ) -> dict[str, NDArray[np.int64]]:
        """Costs of many architectures at once, for one image.

        Args:
            rows: Canonical rows (N, genes).
            classes: Outputs of the classifier.
            input_channels: Channels of the input image; those of the space by default.
            precision: Precision of the moved bytes.

        Returns:
            ``"macs"`` (multiply-accumulates), ``"params"`` and ``"bytes"`` (moved in ``precision``), each of
            shape (N,).
        """
        channels = self.input_channels if input_channels is None else input_channels
        lowered = self.lower_many(rows, classes=classes, input_channels=channels)
        values = self._costs_of_blocks(lowered.blocks, (classes, channels, precision))
        names = ("macs", "params", "bytes")
        return {n: lowered.total(value).astype(np.int64) for n, value in zip(names, values, strict=True)}

    def _costs_of_blocks(self, blocks: Sequence[BlockSpec], key: tuple[int, int, str]) -> IntArray:
        """The summands of ``costs``, (3, blocks), for classes, channels and precision.

        They are cached, since blocks are only appended.
        """
        costs = self._block_costs.get(key, np.empty((3, 0), np.int64))
        *_, precision = key
        if costs.shape[1] < len(blocks):
            new = [(b.macs, b.params, b.bytes_moved(precision)) for b in blocks[costs.shape[1] :]]
            costs = np.hstack([costs, np.array(new, np.int64).T])
            self._block_costs[key] = costs
        return costs

    @cached_property
    def _block_costs(self) -> dict[tuple[int, int, str], IntArray]:
        return {}

    @cached_property
    def _many(self) -> dict[tuple[int, int], ManyLowering]:
        return {}


def _stage_blocks(
    stage: StageSpace, values: dict[str, Choice | tuple[Choice, ...]]
) -> tuple[BlockSettings, ...]:
    depth = values.get("depth", stage.depths[0])
    assert isinstance(depth, int), "checked when the architecture was made canonical"
    return tuple(
        stage.block({n: v[i] if isinstance(v, tuple) else v for n, v in values.items()}, i)
        for i in range(depth)
    )


def _least(choices: Choices) -> int:
    return choices.index(min(choices)) if _numeric(choices) else 0


def _most(choices: Choices) -> int:
    return choices.index(max(choices)) if _numeric(choices) else len(choices) - 1


def _numeric(choices: Choices) -> bool:
    return all(isinstance(choice, (int, float)) for choice in choices)
