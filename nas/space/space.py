"""A search space: finite lists of choices, and every way to draw from them."""

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
from nas.network import NetworkSpec, Place
from nas.space.architecture import Architecture, Choice
from nas.space.checks import find_warnings
from nas.space.enumeration import enumerate_blocks
from nas.space.lowering import Lowered
from nas.space.many import ManyLowering
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
        input_channels: Channels of the input image, unless a network is asked for with others.
        description: What the space is for.
        source: The publication that it follows.
        stated_size: The number of networks that its file states, if any; ``warnings`` compares it.
    """

    name: str
    resolutions: tuple[int, ...]
    stages: tuple[StageSpace, ...]
    stem: tuple[BlockSettings, ...] = ()
    head: tuple[BlockSettings, ...] = ()
    rounding: Rounding = Rounding()
    input_channels: int = 3
    description: str = field(default="", compare=False)
    source: str = field(default="", compare=False)
    stated_size: int | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        self.blocks_by_place(resolutions=(min(self.resolutions),))  # fails where a block does not fit

    @classmethod
    def load(cls, name: str | Path) -> SearchSpace:
        """Reads a space by name (from ``search_spaces/``) or by the path of a YAML file.

        Raises:
            UserError: If there is no such space, or its file has a fault; the message names it.
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
        """How architectures stand in rows."""
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
        """What is allowed but useless: kernels larger than their feature map, choices that round to the same
        block, a wrong ``size`` in the file. Each sentence names the place."""
        return find_warnings(self)

    def restricted(
        self,
        *,
        preferred_blocks: Sequence[str] = (),
        channel_multiple: int | None = None,
        max_width: int | None = None,
    ) -> SearchSpace:
        """The space without the choices that a device dislikes; what the space fixes stays.

        Its networks are networks of this space too, and run in this space's supernet. Its architectures lack
        the dimensions of which only one choice is left.

        Args:
            preferred_blocks: Block kinds to keep where a stage offers several; all of them if empty.
            channel_multiple: Widths and expansions must give multiples of it.
            max_width: The largest channel count to keep, expanded ones included.

        Raises:
            UserError: If nothing is left of a stage's choices; the message names stage, field and choices.
        """
        limits = Limits(
            preferred_blocks=tuple(preferred_blocks),
            channel_multiple=1 if channel_multiple is None else channel_multiple,
            max_width=max_width,
        )
        return restrict(self, limits)

    # -- architectures ------------------------------------------------------------------------------------

    def sample(self, rng: np.random.Generator) -> Architecture:
        """One architecture, every free choice drawn uniformly."""
        return self.decode(self.sample_many(1, rng))[0]

    def smallest(self) -> Architecture:
        """The least of every choice: the smallest number, or the first word listed."""
        return self._extreme([_least(d.choices) for d in self.dimensions])

    def largest(self) -> Architecture:
        """The most of every choice: the largest number, or the last word listed."""
        return self._extreme([_most(d.choices) for d in self.dimensions])

    def _extreme(self, row: Sequence[int]) -> Architecture:
        return self.decode(self.canonical_rows(np.array([row], np.int64).reshape(1, len(self.dimensions))))[0]

    def parse(self, code: str) -> Architecture:
        """Reads an architecture's code, checked against the space.

        Raises:
            UserError: If the code cannot be read, or names a choice that the space does not offer.
        """
        return self.canonical(Architecture.from_code(code))

    def canonical(self, arch: Architecture) -> Architecture:
        """Drops what nothing reads, so that equal networks are equal values.

        Raises:
            UserError: If a choice is missing or not offered; the message names stage and field.
        """
        return self.decode(self.encode([arch]))[0]

    def mutate(
        self, arch: Architecture, rng: np.random.Generator, *, probability: float = 0.1
    ) -> Architecture:
        """Draws each free choice anew with ``probability``."""
        row = self.encode([arch])
        fresh = rng.integers(0, self.coding.radices, size=row.shape)
        change = (rng.random(row.shape) < probability) | (row == ABSENT)
        return self.decode(self.canonical_rows(np.where(change, fresh, row)))[0]

    def crossover(self, first: Architecture, second: Architecture, rng: np.random.Generator) -> Architecture:
        """A child that has each stage, and the resolution, from one of its parents."""
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
            UserError: If the architecture is not of this space; the message names the choice.
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
        )

    # -- rows ---------------------------------------------------------------------------------------------

    def sample_many(self, count: int, rng: np.random.Generator) -> IntArray:
        """Canonical rows of ``count`` architectures, (count, genes), every free choice drawn uniformly."""
        return self.coding.sample(count, rng)

    def canonical_rows(self, rows: IntArray) -> IntArray:
        """Sets what nothing reads to -1: rows (N, genes) to rows (N, genes)."""
        return self.coding.canonical(rows)

    def encode(self, archs: Sequence[Architecture]) -> IntArray:
        """Canonical rows (N, genes) of architectures; -1 where nothing reads the gene.

        Raises:
            UserError: If an architecture is not of this space; the message names the choice.
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
        """Every block that can stand at each place, over all choices.

        Args:
            resolutions: The resolutions to look at; all of them by default.
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
        """Every distinct block of the space's networks: what a complete latency table holds."""
        places = self.blocks_by_place(resolutions=resolutions, classes=classes, input_channels=input_channels)
        return tuple(dict.fromkeys(block for blocks in places.values() for block in blocks))

    def lower_many(
        self, rows: IntArray, *, classes: int = 1000, input_channels: int | None = None
    ) -> Lowered:
        """Lowers canonical rows (N, genes) at once; equal, place by place, to ``network(…).blocks``."""
        channels = self.input_channels if input_channels is None else input_channels
        if (classes, channels) not in self._many:
            self._many[classes, channels] = ManyLowering(self, classes=classes, input_channels=channels)
        return self._many[classes, channels].lower(rows)

    def costs(
        self, rows: IntArray, *, classes: int = 1000, precision: str = "fp32"
    ) -> dict[str, NDArray[np.int64]]:
        """Costs of many architectures at once, for one image.

        Returns:
            ``"macs"`` (multiply-accumulates), ``"params"`` and ``"bytes"`` (moved in ``precision``), each of
            shape (N,).
        """
        lowered = self.lower_many(rows, classes=classes)
        values = self._costs_of_blocks(lowered.blocks, classes, precision)
        names = ("macs", "params", "bytes")
        return {n: lowered.total(value).astype(np.int64) for n, value in zip(names, values, strict=True)}

    def _costs_of_blocks(self, blocks: Sequence[BlockSpec], classes: int, precision: str) -> IntArray:
        """What ``costs`` adds up, (3, blocks); kept, as a lowering's blocks only ever become more."""
        known = self._block_costs.get((classes, precision), np.empty((3, 0), np.int64))
        if known.shape[1] < len(blocks):
            new = [(b.macs, b.params, b.bytes_moved(precision)) for b in blocks[known.shape[1] :]]
            known = np.hstack([known, np.array(new, np.int64).T])
            self._block_costs[classes, precision] = known
        return known

    @cached_property
    def _block_costs(self) -> dict[tuple[int, str], IntArray]:
        return {}

    @cached_property
    def _many(self) -> dict[tuple[int, int], ManyLowering]:
        return {}


def _stage_blocks(
    stage: StageSpace, chosen: dict[str, Choice | tuple[Choice, ...]]
) -> tuple[BlockSettings, ...]:
    depth = chosen.get("depth", stage.depths[0])
    assert isinstance(depth, int), "checked when the architecture was made canonical"
    return tuple(
        stage.block({n: v[i] if isinstance(v, tuple) else v for n, v in chosen.items()}, i)
        for i in range(depth)
    )


def _least(choices: Choices) -> int:
    return choices.index(min(choices)) if _numeric(choices) else 0


def _most(choices: Choices) -> int:
    return choices.index(max(choices)) if _numeric(choices) else len(choices) - 1


def _numeric(choices: Choices) -> bool:
    return all(isinstance(choice, (int, float)) for choice in choices)
