"""The result of a target: one file with the kit's manifest and all raw samples.

It is a latency table before its computation: the reader derives the costs from the samples, with knowledge of
blocks and networks that the runner lacks.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from .errors import RunnerError
from .measure import content_hash, read_manifest
from .samples import read_samples

SCHEMA = 1


def write_result(path: Path, *, kit: Path, samples: Path) -> None:
    """Writes the result of a measurement atomically.

    Args:
        path: The file.
        kit: Folder of the kit.
        samples: The sample file.

    Raises:
        RunnerError: If a file is damaged.
    """
    header, windows = read_samples(samples)
    measurement = {
        "manifest": read_manifest(kit),
        "header": header,
        "windows": [
            [w.entry, w.round, w.start_s, w.runs, list(w.samples_us), w.took_s, w.others_cpus, w.visit]
            for w in windows
        ],
    }
    content = {"schema": SCHEMA, "sha256": content_hash(measurement), "measurement": measurement}
    temporary = path.with_name(f".{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        temporary.write_text(json.dumps(content), encoding="utf-8")
        temporary.replace(path)
    except OSError:
        with suppress(OSError):  # a folder that cannot be written has no such file
            temporary.unlink()
        raise


def read_result(content: dict[str, Any], *, path: Path) -> dict[str, Any]:
    """The measurement in the JSON value of such a file: ``manifest``, ``header`` and ``windows``.

    Args:
        content: The file's content.
        path: The file, for messages.

    Raises:
        RunnerError: If it has another schema or was edited.
    """
    if content.get("schema") != SCHEMA:
        raise RunnerError(
            f"{path} is a measurement of schema {content.get('schema')!r}, this program reads {SCHEMA}; "
            "measure again with a kit of this version"
        )
    measurement: dict[str, Any] = content["measurement"]
    if content.get("sha256") != content_hash(measurement):
        raise RunnerError(
            f"{path} was changed after it was written (its hash does not fit); run measure.pyz again, "
            "which writes it anew from the raw samples"
        )
    return measurement
