"""Block kinds: settings in ratios, a specification in counts, and the registry.

A kind is a pair of frozen dataclasses in its own file:

* ``BlockSettings`` describe a block in a network: widths and expansion *ratios* before any rounding. Field
  names are the names of the search dimensions that the kind reads.
* ``BlockSpec`` is one block in *counts*, with every value that determines its cost. Its ``key`` identifies it
  in latency tables.

``settings.lower(shape, rounding)`` turns the first into the second. It alone rounds channel counts and
computes the sizes of feature maps.
"""

from __future__ import annotations

import dataclasses
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, TypeVar

from nas.blocks.ops import ACTIVATIONS, MissingFormError, Op, Shape
from nas.errors import UserError, unknown
from nas.registry import Registry

Scalar = int | float | str | bool

LARGEST = 2**31 - 1
"""Bound of sizes and counts, so that no typing error makes a number that nothing can compute with."""


@dataclass(frozen=True)
class Rounding:
    """How ratios become channel counts.

    Attributes:
        divisor: Widths are multiples of it.
        expand_divisor: Expanded channel counts are multiples of it.
        squeeze_divisor: Squeeze-excite channel counts are multiples of it.
        minimum_ratio: Smallest ratio of a rounded count to the exact one (90 % in the reference code of
            Howard et al. 2017).
    """

    divisor: int = 8
    expand_divisor: int = 8
    squeeze_divisor: int = 8
    minimum_ratio: float = 0.9

    def __post_init__(self) -> None:
        for name in ("divisor", "expand_divisor", "squeeze_divisor"):
            value = getattr(self, name)
            if not isinstance(value, int) or not 1 <= value <= LARGEST:
                raise UserError(
                    f"rounding.{name} is {value!r}; it must be a whole number from 1 to {LARGEST}"
                )
        ratio: object = self.minimum_ratio
        if not isinstance(ratio, (int, float)) or not 0 <= ratio <= 1:
            raise UserError(f"rounding.minimum_ratio is {ratio!r}; it must be a share from 0 to 1")

    def width(self, value: float) -> int:
        """The channels of a block's output."""
        return self._nearest(value, self.divisor)

    def expanded(self, value: float) -> int:
        """The channels inside a bottleneck."""
        return self._nearest(value, self.expand_divisor)

    def squeezed(self, value: float) -> int:
        """The channels inside squeeze-excite."""
        return self._nearest(value, self.squeeze_divisor)

    def _nearest(self, value: float, divisor: int) -> int:
        rounded = max(divisor, math.floor(value + divisor / 2) // divisor * divisor)
        return rounded + divisor if rounded < self.minimum_ratio * value else rounded


@dataclass(frozen=True, kw_only=True)
class BlockSpec(ABC):
    """One block in counts: exactly the values that determine its cost."""

    KIND: ClassVar[str]

    in_channels: int
    in_height: int
    in_width: int

    @abstractmethod
    def lowering(self) -> tuple[Op, ...]:
        """The primitive operations of the block; the last one computes its output."""

    @cached_property
    def ops(self) -> tuple[Op, ...]:
        """The primitive operations, computed once."""
        return self.lowering()

    @property
    def in_shape(self) -> Shape:
        return Shape(self.in_channels, self.in_height, self.in_width)

    @cached_property
    def out_shape(self) -> Shape:
        return self.ops[-1].out_shape if self.ops else self.in_shape

    @cached_property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return sum(op.macs for op in self.ops)

    @cached_property
    def params(self) -> int:
        """Trainable parameters, BatchNorm's included."""
        return sum(op.params for op in self.ops)

    def bytes_moved(self, precision: str = "fp32", *, batch: int = 1) -> int:
        """Bytes that all operations read and write, unfused."""
        return sum(op.bytes_moved(precision, batch=batch) for op in self.ops)

    @cached_property
    def key(self) -> str:
        """The canonical string ``kind(field=value,…)``: the block's identity in tables.

        A field is left out where it has its default. So a kind can get new fields, and its earlier keys stay.
        """
        values = [(field, getattr(self, field.name)) for field in dataclasses.fields(self)]
        shown = [f"{field.name}={value}" for field, value in values if value != field.default]
        return f"{self.KIND}({','.join(shown)})"


class BlockFormError(UserError):
    """An operation of a block has no form in a target.

    Attributes:
        operation: The operation's name.
        reason: Which form is missing, and how to add it.
    """

    def __init__(self, missing: MissingFormError, block: BlockSpec) -> None:
        super().__init__(
            f"{missing.fact}, an operation of the block {block.key}; {missing.remedy}, or leave the kind "
            f"{block.KIND} out of the search space"
        )
        self.operation, self.reason = missing.operation, str(missing)


@contextmanager
def forms_of(block: BlockSpec) -> Iterator[None]:
    """Names the block of an operation that has no form.

    Raises:
        BlockFormError: If the body finds no form for an operation of ``block``.
    """
    try:
        yield
    except MissingFormError as error:
        raise BlockFormError(error, block) from None


@dataclass(frozen=True, kw_only=True)
class BlockSettings(ABC):
    """One block of a network in ratios, independent of its input and of the rounding."""

    KIND: ClassVar[str]
    SPEC: ClassVar[type[BlockSpec]]

    @abstractmethod
    def lower(self, shape: Shape, rounding: Rounding) -> BlockSpec:
        """Returns the block for an input of ``shape``, with ratios resolved to counts of channels."""

    @property
    def step(self) -> int:
        """The factor by which the block shrinks the image."""
        return getattr(self, "stride", 1) if "stride" in field_names(type(self)) else 1

    def to_dict(self) -> dict[str, Scalar]:
        """The kind and every field, ready for JSON.

        A field of ``later`` is left out where it has its default: networks keep their earlier codes.
        """
        shown = [field for field in dataclasses.fields(self) if not _is_default(self, field)]
        return {"kind": self.KIND, **{field.name: getattr(self, field.name) for field in shown}}


def later(default: Scalar) -> Any:
    """A field that a kind of block has got after its first release, with the value that it had before."""
    return dataclasses.field(default=default, metadata={_LATER: True})


_LATER = "later"


def _is_default(settings: BlockSettings, field: dataclasses.Field[Any]) -> bool:
    return _LATER in field.metadata and getattr(settings, field.name) == field.default


_KINDS: Registry[type[BlockSettings]] = Registry(
    "block kind",
    package="nas.blocks",
    attribute="KIND",
    hint="A kind of your own must be imported before it is used",
)

Settings = TypeVar("Settings", bound=type[BlockSettings])


def register(settings: Settings) -> Settings:
    """Class decorator that registers a block kind under its ``KIND``, together with its ``SPEC``.

    Raises:
        UserError: If the two differ in their kind, or a field is not a number, string or Boolean.
    """
    if settings.KIND != settings.SPEC.KIND:
        raise UserError(
            f"{settings.__name__} is of kind {settings.KIND!r}, its SPEC of {settings.SPEC.KIND!r}; use one"
        )
    for cls in (settings, settings.SPEC):
        for field in dataclasses.fields(cls):
            if _type_name(field) not in _TYPES:
                raise UserError(
                    f"{cls.__name__}.{field.name} is of type {_type_name(field)}; "
                    f"allowed: {', '.join(_TYPES)}"
                )
    return _KINDS.register(settings)


def block_kinds() -> tuple[str, ...]:
    """The names of all registered kinds."""
    return _KINDS.names()


def settings_type(kind: str) -> type[BlockSettings]:
    """The settings class of a kind.

    Raises:
        UserError: If there is no such kind.
    """
    return _KINDS.find(kind)


def field_names(cls: type[BlockSettings] | type[BlockSpec]) -> frozenset[str]:
    """The names of the fields of a settings or specification class."""
    return frozenset(field.name for field in dataclasses.fields(cls))


def make_settings(kind: str, fields: Mapping[str, Any], *, where: str = "block") -> BlockSettings:
    """Builds the settings of ``kind``, checking names and types.

    Args:
        kind: A registered kind.
        fields: Values by field name.
        where: The place, for messages.

    Raises:
        UserError: For an unknown kind or field, a missing one, or a value of the wrong type.
    """
    cls = settings_type(kind)
    schema = {field.name: field for field in dataclasses.fields(cls)}
    for name, value in fields.items():
        if name not in schema:
            raise unknown(f"field of {kind} in {where}", name, schema)
        _check_value(f"{where}: {name}", name, value, _type_name(schema[name]))
    for name, field in schema.items():
        if name not in fields and field.default is dataclasses.MISSING:
            raise UserError(f"{where}: a block of kind {kind} needs {name!r}; give it a value")
    try:
        return cls(**dict(fields))
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


def _type_name(field: dataclasses.Field[Any]) -> str:
    """A field's type as text, with or without postponed evaluation of annotations in its module."""
    return field.type if isinstance(field.type, str) else field.type.__name__


_TYPES: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "str": (str,), "bool": (bool,)}
_POSITIVE = frozenset({"width", "stride", "kernel", "expand", "patch", "head_dim", "window"})
_POSITIVE |= {"state", "chunk", "ratio", "value_ratio"}


def _check_value(where: str, name: str, value: object, annotation: str) -> None:
    allowed = _TYPES[annotation]
    if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
        raise UserError(f"{where} is {value!r}; it must be of type {annotation}")
    if isinstance(value, (int, float)) and (value < 0 or (value == 0 and name in _POSITIVE)):
        raise UserError(f"{where} is {value!r}; it must be positive")
    if isinstance(value, (int, float)) and not value <= LARGEST:  # NaN is not
        raise UserError(f"{where} is {value!r}; it must be a number of at most {LARGEST}")
    if name.endswith("kernel") and isinstance(value, int) and value % 2 == 0 and value > 0:
        raise UserError(f"{where} is {value}; kernels are odd: 1, 3, 5, 7, …")
    if (
        isinstance(value, str)
        and name in {"activation", "gate", "squeeze_activation"}
        and value not in ACTIVATIONS
    ):
        raise unknown(f"activation ({where})", value, ACTIVATIONS)


def settings_from_dict(value: Mapping[str, Any], *, where: str = "block") -> BlockSettings:
    """The inverse of ``BlockSettings.to_dict``.

    Raises:
        UserError: If the kind is missing or unknown, or a field does not fit.
    """
    if not isinstance(value, Mapping):
        raise UserError(f"{where} is {value!r:.60}; it must be a mapping with a 'kind'")
    fields = dict(value)
    if "kind" not in fields:
        raise UserError(f"{where} has no 'kind'; allowed: {', '.join(block_kinds())}")
    return make_settings(str(fields.pop("kind")), fields, where=where)


_KEY = re.compile(r"(\w+)\((.*)\)")
_PARSE: dict[str, Any] = {"int": int, "float": float, "str": str, "bool": lambda text: text == "True"}


def parse_key(key: str) -> BlockSpec:
    """The inverse of ``BlockSpec.key``.

    Raises:
        UserError: If the text is not a key of a registered kind.
    """
    match = _KEY.fullmatch(key)
    if match is None:
        raise UserError(f"{key!r} is not a block key; keys look like kind(field=value,…)")
    spec = settings_type(match[1]).SPEC
    types = {field.name: _type_name(field) for field in dataclasses.fields(spec)}
    try:
        texts = dict(item.split("=", 1) for item in match[2].split(","))
        return spec(**{name: _PARSE[types[name]](text) for name, text in texts.items()})
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"block key {key!r} does not fit kind {match[1]}: {error}; its fields are {', '.join(types)}"
        ) from None
