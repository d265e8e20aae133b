"""The table's file: JSON with a schema version and a hash of its content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nas.errors import UserError
from nas.files import read_json, write_text
from nas.resources import find

SCHEMA = 2


def write_table(path: Path, table: Mapping[str, Any]) -> None:
    """Writes a table's content atomically, one record per line."""
    fields = ",\n".join(f" {json.dumps(name)}: {_lines(value)}" for name, value in table.items())
    head = f'"schema": {SCHEMA},\n"sha256": "{_hash(table)}"'
    write_text(path, f'{{{head},\n"table": {{\n{fields}\n}}}}\n')


def find_table(name_or_path: str | Path) -> Path:
    """The file of a table: a path, or a name in ``latency_tables/`` (the working directory's, then ours).

    Raises:
        UserError: If there is none.
    """
    return find("latency_tables", name_or_path, ".json", what="latency table")


@contextmanager
def table_faults(path: Path) -> Iterator[None]:
    """Turns errors in the body over wrong keys, types and values into a ``UserError`` that names the file."""
    try:
        yield
    except UserError:
        raise
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        raise UserError(
            f"{path} is not a latency table of this version ({error!r}); measure it again"
        ) from None


def read_file(path: Path) -> dict[str, Any]:
    """The content of a table's file, or of a result of ``measure.pyz``.

    Raises:
        UserError: If the file is cut off, or is neither.
    """
    value = read_json(path)
    if not isinstance(value, dict):
        raise UserError(f"{path} is not a latency table; name one that nas table wrote")
    return value


def is_result(content: Mapping[str, Any]) -> bool:
    """Whether a file is a result of ``measure.pyz``, with samples instead of costs."""
    return "measurement" in content


def checked_table(value: Mapping[str, Any], *, path: Path) -> dict[str, Any]:
    """The table in the content of a file of ``write_table``.

    Raises:
        UserError: If it has another schema version, or was edited.
    """
    if is_result(value):
        raise UserError(f"{path} holds the samples of measure.pyz; nas.latency.load_table computes its table")
    if "schema" not in value or "table" not in value:
        raise UserError(f"{path} is not a latency table; name one that nas table wrote")
    if value["schema"] != SCHEMA:
        raise UserError(
            f"{path} has schema version {value['schema']!r}, this program reads {SCHEMA}; "
            "measure the table again, or use the version of hwnas that wrote it"
        )
    table: dict[str, Any] = value["table"]
    if value.get("sha256") != _hash(table):
        raise UserError(
            f"{path} was changed after it was written (its hash does not fit); measure the table again"
        )
    return table


def _hash(table: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(table, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _lines(value: Any) -> str:
    """JSON with one line for each item of a list."""
    if not isinstance(value, list) or not value:
        return json.dumps(value)
    return "[\n  " + ",\n  ".join(json.dumps(item) for item in value) + "\n ]"
