"""What trackers have recorded, read back from their files with the packages that write them."""

from __future__ import annotations

import json
import re
import struct
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Curve = list[tuple[int, float]]

OPTIONS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "tensorboard": lambda folder: {},
    "mlflow": lambda folder: {
        "store": str(folder / "mlruns"),
        "experiment": "tests",
        "group": "sweep",
        "files": True,
    },
    "wandb": lambda folder: {
        "mode": "offline",
        "project": "tests",
        "entity": None,
        "group": "sweep",
        "init_timeout_s": 6.0,
        "finish_timeout_s": 10.0,
        "files": True,
    },
}
"""The options of each tracker, for a folder that holds everything."""


@dataclass
class Recorded:
    """One run as a tracker has recorded it."""

    name: str = ""
    group: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    metrics: dict[str, Curve] = field(default_factory=dict)
    made_from: dict[str, dict[str, str]] = field(default_factory=dict)
    """Versions of what each artifact was made from."""
    versions: dict[str, str] = field(default_factory=dict)
    files: dict[str, set[str]] = field(default_factory=dict)
    tables: set[str] = field(default_factory=set)
    plots: set[str] = field(default_factory=set)
    pages: set[str] = field(default_factory=set)


def read(tracker: str, *, run_dir: Path, folder: Path) -> Recorded:
    """Reads the one run that a tracker has recorded."""
    return {"wandb": read_wandb, "tensorboard": read_tensorboard, "mlflow": read_mlflow}[tracker](
        run_dir, folder
    )


# -- Weights & Biases --------------------------------------------------------------------------------------

BLOCK = 32768
FULL, LAST = 1, 4


def offline_records(run_dir: Path) -> list[Any]:
    """The records of the one offline run of a run folder."""
    from wandb.proto import wandb_internal_pb2

    [path] = run_dir.glob("wandb/offline-run-*/run-*.wandb")
    deadline = time.monotonic() + 30
    while True:  # wandb's own process writes the file, and may still be at it
        records = [wandb_internal_pb2.Record.FromString(data) for data in leveldb_log(path.read_bytes())]
        if any(record.HasField("exit") for record in records) or time.monotonic() > deadline:
            return records
        time.sleep(0.2)


def leveldb_log(data: bytes) -> Iterator[bytes]:
    """The records of a log in LevelDB's format, behind wandb's header of 7 bytes."""
    assert data[:4] == b":W&B"
    position, parts = 7, b""
    while position + 7 <= len(data):
        if BLOCK - position % BLOCK < 7:  # no room for a header: the rest of the block is padding
            position += BLOCK - position % BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", data, position)
        parts += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (FULL, LAST):
            yield parts
            parts = b""


def history(records: list[Any]) -> list[dict[str, Any]]:
    """The rows of an offline run, without wandb's own columns."""
    rows: list[dict[str, Any]] = []
    for record in records:
        row: dict[str, Any] = {}
        for item in record.history.item:
            key, *below = item.nested_key or [item.key]
            value = json.loads(item.value_json)
            row[key] = {**row.get(key, {}), ".".join(below): value} if below else value
        if record.HasField("history"):
            rows.append({key: value for key, value in row.items() if not key.startswith("_")})
    return rows


def read_wandb(run_dir: Path, folder: Path) -> Recorded:
    records = offline_records(run_dir)
    [run] = [record.run for record in records if record.HasField("run")]
    found = Recorded(name=run.display_name, group=run.run_group)
    found.config = {item.key: json.loads(item.value_json) for item in run.config.update}
    curves: dict[str, Curve] = defaultdict(list)
    for row in history(records):
        for key, value in row.items():
            axis = f"{key.partition('/')[0]}/step"
            kind = value.get("_type") if isinstance(value, dict) else None
            if kind == "table-file":
                found.tables.add(key.removesuffix("_plot_table"))
            elif kind == "html-file":
                found.pages.add(key)
            elif axis in row and key != axis:
                curves[key].append((row[axis], float(value)))
    found.metrics = dict(curves)
    for record in records:
        for item in record.config.update:
            path = list(item.nested_key)
            if path[:2] == ["_wandb", "visualize"]:
                found.plots.add(path[2])
        if record.HasField("artifact") and record.artifact.type != "run_table":
            _take(found, json.loads(record.artifact.metadata), record.artifact)
    return found


def _take(found: Recorded, about: dict[str, Any], artifact: Any) -> None:
    found.made_from[about["name"]], found.versions[about["name"]] = about["made_from"], about["version"]
    found.files[about["name"]] = {entry.path for entry in artifact.manifest.contents}
    assert about["version"] in artifact.aliases and artifact.type == about["kind"]


# -- TensorBoard -------------------------------------------------------------------------------------------


def read_tensorboard(run_dir: Path, folder: Path) -> Recorded:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run_dir / "tensorboard"), size_guidance={"scalars": 0, "tensors": 0})
    events.Reload()
    texts = {
        tag.removesuffix("/text_summary"): events.Tensors(tag)[-1].tensor_proto.string_val[0].decode()
        for tag in events.Tags()["tensors"]
    }
    found = Recorded(name=texts["run"].replace("\\", ""), group="sweep")
    found.config = json.loads(texts["config"].removeprefix("```json\n").removesuffix("\n```"))
    for tag in events.Tags()["scalars"]:
        found.metrics[tag] = [(event.step, event.value) for event in events.Scalars(tag)]
    for tag, text in texts.items():
        if tag.startswith("artifacts/"):
            first, second, *files = text.split("\n\n")
            name = tag.removeprefix("artifacts/")
            found.versions[name] = re.findall("`(.*?)`", first)[1]
            found.made_from[name] = dict(pair.split(":") for pair in re.findall("`(.*?)`", second))
            found.files[name] = {Path(path.strip("`")).name for path in files}
        elif text.startswith("|"):
            found.tables.add(tag)
        elif tag not in ("config", "run"):
            found.pages.add(tag)
    found.plots = set(events.Tags()["images"])
    return found


# -- MLflow ------------------------------------------------------------------------------------------------


def read_mlflow(run_dir: Path, folder: Path) -> Recorded:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=(folder / "mlruns").as_uri())
    [run] = client.search_runs([each.experiment_id for each in client.search_experiments()])
    root = Path(run.info.artifact_uri.removeprefix("file://"))
    found = Recorded(name=run.info.run_name, group=run.data.tags.get("group"))
    found.config = json.loads((root / "config.json").read_text())
    for key, value in run.data.params.items():
        if "." not in key and not isinstance(found.config[key], str):
            assert json.loads(value) == found.config[key]
    for name in run.data.metrics:
        found.metrics[name] = [
            (each.step, each.value) for each in client.get_metric_history(run.info.run_id, name)
        ]
    for name, about in json.loads((root / "lineage.json").read_text()).items():
        found.made_from[name], found.versions[name] = about["made_from"], about["version"]
        inside = root / about["kind"]
        found.files[name] = {p.relative_to(inside).as_posix() for p in inside.rglob("*.*") if p.is_file()}
    for path in root.rglob("*.*"):
        name = path.relative_to(root).with_suffix("").as_posix()
        if path.suffix == ".csv" and name.split("/")[-1] == "front":
            found.tables.add(name)
        elif path.suffix == ".png":
            found.plots.add(f"{name}_plot")
        elif path.suffix == ".html":
            found.pages.add(name)
    assert run.info.status == "FINISHED"
    return found
