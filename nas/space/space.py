"""A search space: finite lists of choices, and every way to draw from them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nas import resources
from nas.blocks import BlockSettings, BlockSpec, Rounding, Shape
from nas.errors import UserError
from nas.network import CLASSIFIER, NetworkSpec, Place, lower, lower_classifier
from nas.space.architecture import Architecture, Choice
from nas.space.checks import check_stride, find_warnings
from nas.space.lowering import IntArray, Interner, Lowered, PlaceRule, PlaceTable
from nas.space.reading import describe, read_yaml
from nas.space.restrict import Limits, restrict
from nas.space.stage import Choices, StageSpace

ABSENT = -1
"""In a row, the value of a gene that nothing reads."""


@dataclass(frozen=True, slots=True)
class Dimension:
    """One free choice, which is one column of a row.

    Attributes:
        stage: Number of the stage; -1 for the resolution.
        index: Number of the block, or -1 for a choice of the whole stage.
        name: ``resolution``, ``kind``, ``depth`` or a field of a block kind.
        choices: The values; rows hold positions in this tuple.
    """

    stage: int
    index: int
    name: str
    choices: Choices

    def __str__(self) -> str:
        stage = f"stage {self.stage} " if self.stage >= 0 else ""
        block = f"block {self.index} " if self.index >= 0 else ""
        return f"{stage}{block}{self.name}"


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
    def dimensions(self) -> tuple[Dimension, ...]:
        """The free choices, in the order of a row's columns."""
        result = [Dimension(-1, -1, "resolution", self.resolutions)] if len(self.resolutions) > 1 else []
        for stage in self.stages:
            result += [Dimension(stage.number, -1, name, stage.choices(name)) for name in stage.free_shared()]
            for index in range(max(stage.depths)):
                result += [
                    Dimension(stage.number, index, n, stage.choices(n)) for n in stage.free_per_block()
                ]
        return tuple(result)

    @cached_property
    def _columns(self) -> dict[tuple[int, int, str], int]:
        return {(d.stage, d.index, d.name): column for column, d in enumerate(self.dimensions)}

    @cached_property
    def _radices(self) -> IntArray:
        return np.array([len(d.choices) for d in self.dimensions], np.int64)

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
        fresh = rng.integers(0, self._radices, size=row.shape)
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
        return self.canonical_rows(rng.integers(0, self._radices, size=(count, len(self.dimensions))))

    def canonical_rows(self, rows: IntArray) -> IntArray:
        """Sets what nothing reads to -1: rows (N, genes) to rows (N, genes)."""
        result = rows.copy()
        for stage in self.stages:
            self._clear_unread(stage, result)
        return result

    def _clear_unread(self, stage: StageSpace, rows: IntArray) -> None:
        depth = self._values(rows, stage, "depth")
        kind = self._values(rows, stage, "kind", positions=True)
        for column, d in enumerate(self.dimensions):
            if d.stage != stage.number or d.name in ("kind", "depth"):
                continue
            reads = np.array([d.name in stage.reads(k) for k in stage.kinds])
            rows[(d.index >= depth) | ~reads[kind], column] = ABSENT

    def _values(self, rows: IntArray, stage: StageSpace, name: str, *, positions: bool = False) -> IntArray:
        """A stage's kind or depth for each row, (N,), as values or as positions in the list of choices."""
        choices = stage.choices(name)
        column = self._columns.get((stage.number, -1, name))
        chosen = np.zeros(len(rows), np.int64) if column is None else rows[:, column]
        return chosen if positions else np.array(choices, np.int64)[chosen]

    def encode(self, archs: Sequence[Architecture]) -> IntArray:
        """Canonical rows (N, genes) of architectures; -1 where nothing reads the gene.

        Raises:
            UserError: If an architecture is not of this space; the message names the choice.
        """
        rows = np.array([self._row(arch) for arch in archs], np.int64).reshape(
            len(archs), len(self.dimensions)
        )
        canonical = self.canonical_rows(rows)
        needed = self.canonical_rows(np.where(rows == ABSENT, 0, rows))
        for row, need in zip(canonical, needed, strict=True):
            for column in np.flatnonzero((row == ABSENT) & (need != ABSENT)).tolist():
                raise UserError(f"the architecture lacks {self.dimensions[column]}; {self._offer(column)}")
        return canonical

    def decode(self, rows: IntArray) -> list[Architecture]:
        """Architectures of canonical rows (N, genes); the inverse of ``encode``."""
        return [self._architecture(row) for row in np.asarray(rows).tolist()]

    def _architecture(self, row: Sequence[int]) -> Architecture:
        resolution: int | None = None
        stages: list[dict[str, Choice | tuple[Choice, ...]]] = [{} for _ in self.stages]
        for d, position in zip(self.dimensions, row, strict=True):
            if position == ABSENT:
                continue
            value = d.choices[position]
            if d.stage < 0:
                resolution = int(value)
            elif d.index < 0:
                stages[d.stage][d.name] = value
            else:
                stages[d.stage][d.name] = (*stages[d.stage].get(d.name, ()), value)  # type: ignore[misc]
        return Architecture.of(resolution, stages)

    def _row(self, arch: Architecture) -> list[int]:
        if len(arch.stages) != len(self.stages):
            raise UserError(
                f"the architecture has {len(arch.stages)} stages; {self.name} has {len(self.stages)}"
            )
        values = self._chosen(arch)
        for stage, index, name in values:
            if (stage, index, name) not in self._columns:
                where = "resolution" if stage < 0 else f"stage {stage}"
                raise UserError(f"{where}: {name!r} is not a free choice of {self.name}; {self._free(stage)}")
        return [self._position(column, values) for column in range(len(self.dimensions))]

    def _chosen(self, arch: Architecture) -> dict[tuple[int, int, str], Choice]:
        """The choices of an architecture by (stage, block, name)."""
        values: dict[tuple[int, int, str], Choice] = {}
        if arch.resolution is not None:
            values[-1, -1, "resolution"] = arch.resolution
        for number, stage in enumerate(arch.stages):
            for name, value in stage:
                if isinstance(value, tuple):
                    values.update({(number, i, name): item for i, item in enumerate(value)})
                else:
                    values[number, -1, name] = value
        return values

    def _position(self, column: int, values: dict[tuple[int, int, str], Choice]) -> int:
        d = self.dimensions[column]
        value = values.get((d.stage, d.index, d.name))
        if value is None:
            return ABSENT if d.name not in ("kind", "depth", "resolution") else self._lacking(column)
        if value not in d.choices:
            raise UserError(f"{d} is {value!r}, which {self.name} does not offer; {self._offer(column)}")
        return d.choices.index(value)

    def _lacking(self, column: int) -> int:
        raise UserError(f"the architecture lacks {self.dimensions[column]}; {self._offer(column)}")

    def _offer(self, column: int) -> str:
        return f"allowed: {describe(self.dimensions[column].choices)}"

    def _free(self, stage: int) -> str:
        names = sorted({d.name for d in self.dimensions if d.stage == stage})
        return f"free there: {', '.join(names) or 'nothing'}"

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
        found: dict[Place, dict[BlockSpec, None]] = {}
        channels = self.input_channels if input_channels is None else input_channels
        for resolution in self.resolutions if resolutions is None else resolutions:
            shapes = {Shape(channels, resolution, resolution)}
            shapes = self._fixed("stem", self.stem, shapes, found)
            for stage in self.stages:
                shapes = self._stage(stage, shapes, found)
            for shape in self._fixed("head", self.head, shapes, found):
                found.setdefault(CLASSIFIER, {})[lower_classifier(shape, classes)] = None
        return {place: tuple(blocks) for place, blocks in found.items()}

    def _fixed(
        self,
        section: str,
        blocks: tuple[BlockSettings, ...],
        shapes: set[Shape],
        found: dict[Place, dict[BlockSpec, None]],
    ) -> set[Shape]:
        for i, settings in enumerate(blocks):
            shapes = self._reach(Place(section, 0, i), [settings], shapes, found)
        return shapes

    def _stage(
        self, stage: StageSpace, entering: set[Shape], found: dict[Place, dict[BlockSpec, None]]
    ) -> set[Shape]:
        leaving: set[Shape] = set()
        for shared in stage.shared_assignments():
            shapes = entering
            for index in range(max(stage.depths)):
                each = [
                    stage.block(shared | own, index) for own in stage.block_assignments(str(shared["kind"]))
                ]
                shapes = self._reach(Place("stages", stage.number, index), each, shapes, found)
                if index + 1 in stage.depths:
                    leaving |= shapes
        return leaving

    def _reach(
        self,
        place: Place,
        settings: list[BlockSettings],
        shapes: set[Shape],
        found: dict[Place, dict[BlockSpec, None]],
    ) -> set[Shape]:
        for shape in shapes:
            check_stride(settings[0], shape, place)
        blocks = [lower(item, shape, self.rounding, place) for shape in sorted(shapes) for item in settings]
        found.setdefault(place, {}).update(dict.fromkeys(blocks))
        return {block.out_shape for block in blocks}

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
        tables = self._tables(classes, channels)
        starts = np.array([self._interner.shape(Shape(channels, r, r)) for r in self.resolutions], np.int64)
        column = self._columns.get((-1, -1, "resolution"))
        shapes = starts[rows[:, column]] if column is not None else np.full(len(rows), starts[0])
        index = np.full((len(rows), len(self._rules)), ABSENT, np.int64)
        for number, (rule, table) in enumerate(zip(self._rules, tables, strict=True)):
            present = rule.depth(rows) > rule.place.index
            found = table.look_up(self._interner, shapes[present], rule.codes(rows[present]))
            index[present, number] = found
            shapes[present] = np.array(self._interner.out_shapes, np.int64)[found]
        return Lowered(tuple(self._interner.blocks), index)

    def costs(
        self, rows: IntArray, *, classes: int = 1000, precision: str = "fp32"
    ) -> dict[str, NDArray[np.int64]]:
        """Costs of many architectures at once, for one image.

        Returns:
            ``"macs"`` (multiply-accumulates), ``"params"`` and ``"bytes"`` (moved in ``precision``), each of
            shape (N,).
        """
        lowered = self.lower_many(rows, classes=classes)
        values = {
            "macs": np.array([block.macs for block in lowered.blocks], np.int64),
            "params": np.array([block.params for block in lowered.blocks], np.int64),
            "bytes": np.array([block.bytes_moved(precision) for block in lowered.blocks], np.int64),
        }
        return {name: lowered.total(value).astype(np.int64) for name, value in values.items()}

    @cached_property
    def _interner(self) -> Interner:
        return Interner()

    @cached_property
    def _table_cache(self) -> dict[tuple[int, int], list[PlaceTable]]:
        return {}

    def _tables(self, classes: int, channels: int) -> list[PlaceTable]:
        if (classes, channels) not in self._table_cache:
            self._table_cache[classes, channels] = [
                PlaceTable(rule.count, partial(self._lower_code, rule, classes)) for rule in self._rules
            ]
        return self._table_cache[classes, channels]

    def _lower_code(self, rule: PlaceRule, classes: int, shape: Shape, code: int) -> BlockSpec:
        if rule.place == CLASSIFIER:
            return lower_classifier(shape, classes)
        return lower(rule.settings(rule.decode(code)), shape, self.rounding, rule.place)

    @cached_property
    def _rules(self) -> tuple[PlaceRule, ...]:
        rules = [_fixed_rule(Place("stem", 0, i), block) for i, block in enumerate(self.stem)]
        for stage in self.stages:
            rules += [self._rule(stage, index) for index in range(max(stage.depths))]
        rules += [_fixed_rule(Place("head", 0, i), block) for i, block in enumerate(self.head)]
        return (*rules, _fixed_rule(CLASSIFIER, None))

    def _rule(self, stage: StageSpace, index: int) -> PlaceRule:
        columns = [
            column
            for column, d in enumerate(self.dimensions)
            if d.stage == stage.number and d.index in (-1, index) and d.name != "depth"
        ]
        dimensions = [self.dimensions[column] for column in columns]

        def settings(positions: tuple[int, ...]) -> BlockSettings:
            pairs = zip(dimensions, positions, strict=True)
            return stage.block({d.name: d.choices[p] for d, p in pairs if p != ABSENT}, index)

        return PlaceRule(
            place=Place("stages", stage.number, index),
            genes=tuple(columns),
            radices=tuple(len(d.choices) + 1 for d in dimensions),
            settings=settings,
            depth=lambda rows: self._values(rows, stage, "depth"),
        )


def _fixed_rule(place: Place, block: BlockSettings | None) -> PlaceRule:
    def settings(_: tuple[int, ...]) -> BlockSettings:
        assert block is not None, "the classifier has no settings"
        return block

    return PlaceRule(place, (), (), settings, lambda rows: np.full(len(rows), place.index + 1, np.int64))


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
