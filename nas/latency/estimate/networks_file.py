"""Reading a CSV file of whole networks and their latencies, with a message for every mistake."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nas.arrays import FloatArray, IntArray
from nas.errors import UserError
from nas.files import read_text
from nas.hardware import Device, roofline_ms
from nas.space import SearchSpace

COLUMNS = ("architecture", "latency_ms")
LEAST, LEAST_WITH_SIBLING = 8, 4
_DELIMITERS = (",", ";", "\t")
_FAR_BELOW = 20.0
"""A cache can beat the roofline of memory by a small factor; seconds are off by a factor of 1,000."""


@dataclass(frozen=True, eq=False)
class Measured:
    """Whole networks and their latencies.

    Attributes:
        rows: Encoded architectures, (N, genes).
        latency_ms: (N,).
        lines: Their line numbers in a file, (N,); empty without one.
    """

    rows: IntArray
    latency_ms: FloatArray
    lines: tuple[int, ...] = ()


def read_networks(space: SearchSpace, source: Path, *, with_sibling: bool = False) -> Measured:
    """Reads a file of architectures and latencies.

    Args:
        space: The space of the architectures.
        source: The file. Columns are separated by commas, semicolons or tabs; with the latter two, decimal
            commas are allowed.
        with_sibling: Whether there is a table of a similar device, with which fewer networks suffice.

    Raises:
        UserError: If the file is missing or not UTF-8, lacks a column, has an invalid line (the message names
            it) or too few lines.
    """
    lines: dict[str, int] = {}
    latency_ms: list[float] = []
    for number, code, text in _rows(source):
        where = f"{source}, line {number}"
        try:
            architecture = space.parse(code)
        except UserError as error:
            raise UserError(f"{where}: {error}") from None
        if (first := lines.setdefault(str(architecture), number)) != number:
            raise UserError(
                f"{where}: {architecture} stands in line {first} already; give each network once, "
                "with the mean of its latencies"
            )
        latency_ms.append(_positive(text, where))
    least = LEAST_WITH_SIBLING if with_sibling else LEAST
    if len(lines) < least:
        raise UserError(
            f"{source} has {len(lines)} networks; a table needs at least {least}, and 20 make a good one"
        )
    rows = space.encode([space.parse(code) for code in lines])
    return Measured(rows, np.array(latency_ms), tuple(lines.values()))


def check_unit(
    space: SearchSpace,
    measured: Measured,
    source: Path,
    *,
    device: Device,
    classes: int,
    input_channels: int | None,
) -> None:
    """Checks that the device can reach the latencies, which it cannot if they are in seconds.

    There is no check if the device's peaks are unknown in its precision.

    Raises:
        UserError: If a latency is far below the roofline. The message names the line.
    """
    if device.precision not in dict(device.peak_flops) or device.bandwidth_bytes_per_s is None:
        return
    lowered = space.lower_many(measured.rows, classes=classes, input_channels=input_channels)
    bound_ms = np.zeros(len(lowered.blocks) + 1)  # the last one is for places without a block
    for number in lowered.used():
        bound_ms[number] = roofline_ms(lowered.blocks[number], device=device)
    bounds_ms = bound_ms[lowered.index].sum(axis=1)
    too_fast = np.flatnonzero(measured.latency_ms * _FAR_BELOW < bounds_ms)
    if len(too_fast):
        first = int(too_fast[0])
        raise UserError(
            f"{source}, line {measured.lines[first]}: latency_ms is {measured.latency_ms[first]:g}, but "
            f"{device.name} takes at least {bounds_ms[first]:.3g} ms by its peaks; {len(too_fast)} of "
            f"{len(bounds_ms)} lines are like this. Give milliseconds (are these seconds?), and name the "
            "device that was measured: device=NAME"
        )


def _rows(source: Path) -> Iterator[tuple[int, str, str]]:
    """The number, the architecture and the latency of each line that is not empty."""
    text = _text(source)
    delimiter, names = _heading(text, source)
    code, latency = (names.index(name) for name in COLUMNS)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        next(reader)
        for row in reader:
            if not "".join(row).strip():
                continue
            _check_fields(row, names, delimiter, where=f"{source}, line {reader.line_num}")
            value = row[latency].strip()
            yield reader.line_num, row[code].strip(), value if delimiter == "," else _with_point(value)
    except csv.Error as error:
        raise _damaged(source, reader.line_num, error) from None


def _damaged(source: Path, line: int, error: csv.Error) -> UserError:
    return UserError(f"{source}, line {line}: {error}; a quotation mark may be missing")


def _text(source: Path) -> str:
    try:
        return read_text(source)
    except OSError as error:
        raise UserError(
            f"{source} cannot be read ({error.strerror}); name a CSV file with the columns "
            + " and ".join(COLUMNS)
        ) from None


def _heading(text: str, source: Path) -> tuple[str, list[str]]:
    """The delimiter, and the names of the columns."""
    line = next(iter(text.splitlines()), "")
    try:
        rows = {
            each: next(csv.reader([line], delimiter=each, skipinitialspace=True), []) for each in _DELIMITERS
        }
    except csv.Error as error:
        raise _damaged(source, 1, error) from None
    headings = {delimiter: [name.strip() for name in row] for delimiter, row in rows.items()}
    delimiter = max(_DELIMITERS, key=lambda each: sum(name in headings[each] for name in COLUMNS))
    names = headings[delimiter]
    if missing := [name for name in COLUMNS if name not in names]:
        raise UserError(
            f"{source}, line 1: no column {' and no column '.join(missing)}; the first line must name "
            f"the columns {' and '.join(COLUMNS)}"
        )
    return delimiter, names


def _check_fields(row: list[str], names: list[str], delimiter: str, *, where: str) -> None:
    if len(row) == len(names):
        return
    hint = ""
    if delimiter == "," and len(row) > len(names):
        hint = "; write numbers with a decimal point, or separate columns by semicolons"
    plural = "" if len(row) == 1 else "s"
    raise UserError(
        f"{where}: the line has {len(row)} field{plural}, the first line names {len(names)}{hint}"
    )


def _with_point(number: str) -> str:
    """A number with a decimal point. One with both a comma and a point is left to fail."""
    return number if "." in number else number.replace(",", ".", 1)


def _positive(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise UserError(f"{where}: latency_ms is {text!r}; it must be a number of milliseconds") from None
    if not (math.isfinite(value) and value > 0):
        raise UserError(f"{where}: latency_ms is {text}; it must be a positive number of milliseconds")
    return value
