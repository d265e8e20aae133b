"""Reading the ONNX files of a kit with numpy alone, for runtimes that cannot read them.

A file is a protocol buffer: a sequence of (tag, value). The tag contains the number of the field and the type
of the value: a variable-length integer, four or eight bytes, or a counted string of bytes, such as a nested
message. The numbers of the fields are those of onnx.proto, of ONNX 1.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import RunnerError

_DTYPES: dict[int, np.dtype[Any]] = {
    1: np.dtype("<f4"),
    2: np.dtype("u1"),
    3: np.dtype("i1"),
    6: np.dtype("<i4"),
    7: np.dtype("<i8"),
    10: np.dtype("<f2"),
}


@dataclass(frozen=True)
class Node:
    """An operator: its kind, the names of its inputs and outputs, and its attributes by name."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]


@dataclass(frozen=True)
class Graph:
    """A model.

    Attributes:
        nodes: Its operators, each after those whose results it reads.
        constants: Its weights, by name.
        inputs: The shape of each input by name; ``None`` is an open size.
        outputs: The names of its outputs.
    """

    nodes: tuple[Node, ...]
    constants: dict[str, NDArray[Any]]
    inputs: dict[str, tuple[int | None, ...]]
    outputs: tuple[str, ...]


def read_onnx(path: Path) -> Graph:
    """The graph of an ONNX file.

    Raises:
        RunnerError: If it is not an ONNX file.
    """
    try:
        model = _fields(path.read_bytes())
        return _graph(_fields(model[7][0]))
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, struct.error):
        raise RunnerError(f"{path} is not an ONNX model, or is cut off; write the kit again") from None


def _graph(fields: dict[int, list[Any]]) -> Graph:
    constants = dict(_tensor(_fields(item)) for item in fields.get(5, []))
    inputs = dict(_value(_fields(item)) for item in fields.get(11, []))
    return Graph(
        nodes=tuple(_node(_fields(item)) for item in fields.get(1, [])),
        constants=constants,
        inputs={name: shape for name, shape in inputs.items() if name not in constants},
        outputs=tuple(_value(_fields(item))[0] for item in fields.get(12, [])),
    )


def _node(fields: dict[int, list[Any]]) -> Node:
    return Node(
        kind=_text(fields[4][0]),
        inputs=tuple(_text(name) for name in fields.get(1, [])),
        outputs=tuple(_text(name) for name in fields.get(2, [])),
        attributes=dict(_attribute(_fields(item)) for item in fields.get(5, [])),
    )


def _attribute(fields: dict[int, list[Any]]) -> tuple[str, Any]:
    """A name and a value. Field 20 contains the number of the value's field."""
    kind, value = fields[20][0], None
    if kind == 1:
        value = struct.unpack("<f", fields[2][0])[0]
    elif kind == 2:
        value = _signed(fields.get(3, [0])[0])
    elif kind == 3:
        value = _text(fields.get(4, [b""])[0])
    elif kind == 4:
        value = _tensor(_fields(fields[5][0]))[1]
    elif kind == 6:
        value = tuple(struct.unpack("<f", item)[0] for item in fields.get(7, []))
    elif kind == 7:
        value = _integers(fields.get(8, []))
    else:
        raise ValueError(kind)
    return _text(fields[1][0]), value


def _tensor(fields: dict[int, list[Any]]) -> tuple[str, NDArray[Any]]:
    dtype = _DTYPES[fields[2][0]]
    shape = _integers(fields.get(1, []))
    value = np.frombuffer(b"".join(fields.get(9, [])), dtype).reshape(shape)
    return _text(fields.get(8, [b""])[0]), value


def _value(fields: dict[int, list[Any]]) -> tuple[str, tuple[int | None, ...]]:
    tensor = _fields(_fields(fields[2][0])[1][0])
    shape = _fields(tensor.get(2, [b""])[0])
    sizes = [_fields(size).get(1, [None])[0] for size in shape.get(1, [])]
    return _text(fields[1][0]), tuple(sizes)


def _integers(values: list[Any]) -> tuple[int, ...]:
    """Repeated integers, each with its own tag or all packed into one string of bytes."""
    integers: list[int] = []
    for value in values:
        if isinstance(value, int):
            integers.append(_signed(value))
            continue
        place = 0
        while place < len(value):
            number, place = _varint(value, place)
            integers.append(_signed(number))
    return tuple(integers)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _text(value: bytes) -> str:
    return value.decode()


def _fields(data: bytes) -> dict[int, list[Any]]:
    """The values of a message by the number of their field: integers, or bytes."""
    fields: dict[int, list[Any]] = {}
    for number, value in _walk(data):
        fields.setdefault(number, []).append(value)
    return fields


def _walk(data: bytes) -> Iterator[tuple[int, Any]]:
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        if tag & 7 == 0:
            value, place = _varint(data, place)
            yield tag >> 3, value
            continue
        size = {1: 8, 5: 4}.get(tag & 7, -1)
        if tag & 7 == 2:
            size, place = _varint(data, place)
        if size < 0 or place + size > len(data):
            raise ValueError(tag)
        yield tag >> 3, data[place : place + size]
        place += size


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """An integer of seven bits per byte, and the place after it."""
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
