"""What every registered tracker must do."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from nas.tracking import Artifact, Table, Tracker, make_tracker, tracker_names
from tests.tracking.readers import OPTIONS, read

PACKAGES = {"wandb": "wandb", "tensorboard": "tensorboard", "mlflow": "mlflow"}
RECORDING = [name for name in tracker_names() if name != "none"]

CONFIG = {"seed": 3, "space": "tiny", "train": {"epochs": 2, "init": None}, "modules": ["a", "b"], "x": {}}
METRICS = [
    ({"train/loss": 2.5, "train/learning_rate": 0.1}, 1),
    ({"train/loss": 1.5, "train/learning_rate": 0.0}, 2),
    ({"search/best": 0.75}, 1),
    ({"final/mobilenet_v2 ×0.5/loss": 0.25}, 1),
    ({"train/loss": 1.25}, 3),
]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "matplotlib"))  # its list of fonts
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def made(name: str, folder: Path) -> Tracker:
    if name in PACKAGES:
        pytest.importorskip(PACKAGES[name], reason=f"pip install 'hwnas[{name}]'")
    return make_tracker({"name": name, **OPTIONS[name](folder)} if name in OPTIONS else {"name": name})


def artifact(folder: Path, **changes: Any) -> Artifact:
    path = folder / "table.json"
    path.write_text("{}")
    values: dict[str, Any] = {
        "name": "digits-table",
        "kind": "table",
        "files": {"table.json": path, "deep/er.json": path},
        "digest": "0123456789abcdef" * 4,
    }
    return Artifact(**{**values, **changes})


@pytest.mark.parametrize("name", RECORDING)
def test_a_run_is_read_back(name: str, tmp_path: Path, home: Path) -> None:
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    page = tmp_path / "report.html"
    page.write_text("<p>a page</p>")
    tracker = made(name, tmp_path)
    tracker.start(config=CONFIG, run_dir=run_dir, name="first")
    for numbers, step in METRICS:
        tracker.log(numbers, step=step)
    tracker.artifact(artifact(tmp_path))
    made_from = {"digits-table": "0123456789abcdef" * 4, "space.yaml": "f" * 64}
    tracker.artifact(
        artifact(tmp_path, name="digits-search", kind="search", digest="ab" * 32, made_from=made_from)
    )
    tracker.table(
        Table(name="search/front", columns=("n", "ms", "acc"), rows=(("a|b", 1.0, 0.5),), x="ms", y="acc")
    )
    tracker.page(page, name="report")
    tracker.finish()

    found = read(name, run_dir=run_dir, folder=tmp_path)
    assert (found.name, found.group) == ("first", "sweep")
    assert {key: found.config[key] for key in CONFIG} == CONFIG
    assert found.metrics["train/loss"] == [(1, 2.5), (2, 1.5), (3, 1.25)]
    assert found.metrics["search/best"] == [(1, 0.75)]
    assert [curve for key, curve in found.metrics.items() if key.startswith("final/")] == [[(1, 0.25)]]
    assert found.versions == {"digits-table": "0123456789ab", "digits-search": "ab" * 6}
    assert found.made_from["digits-search"] == {"digits-table": "0123456789ab", "space.yaml": "f" * 12}
    assert found.made_from["digits-table"] == {}
    assert len(found.files["digits-table"]) == (1 if name == "tensorboard" else 2)  # it keeps names alone
    assert (found.tables, found.plots) == ({"search/front"}, {"search/front_plot"})
    assert found.pages == {"report"}
    assert not home.exists()  # what is written is in the run folder or the store


@pytest.mark.parametrize("name", tracker_names())
def test_a_second_run_after_the_first(name: str, tmp_path: Path) -> None:
    tracker = made(name, tmp_path)
    for number in range(2):
        run_dir = tmp_path / str(number)
        run_dir.mkdir()
        tracker.start(config={}, run_dir=run_dir, name=str(number))
        tracker.log({"train/loss": float(number)}, step=1)
        tracker.finish()
    tracker.finish()  # nothing is open


@pytest.mark.parametrize("name", tracker_names())
def test_odd_values_are_taken(name: str, tmp_path: Path) -> None:
    tracker = made(name, tmp_path)
    tracker.start(config={"text": "ä" * 10_000, "{odd} key": None}, run_dir=tmp_path, name="<b>|`x`")
    tracker.log({"train/loss": math.nan, "train/a+b:c@d (1)": math.inf}, step=0)
    tracker.log({}, step=1)
    tracker.artifact(artifact(tmp_path, name="a b/c:d", files={}))
    tracker.table(Table(name="empty", columns=("a",), rows=()))
    tracker.finish()


@pytest.mark.parametrize("name", RECORDING)
def test_without_its_files_an_artifact_has_its_version(name: str, tmp_path: Path) -> None:
    options = {"name": name, **OPTIONS[name](tmp_path)}
    if "files" not in options:
        return  # it never keeps files
    pytest.importorskip(PACKAGES[name], reason=f"pip install 'hwnas[{name}]'")
    tracker = make_tracker(options | {"files": False})
    tracker.start(config={}, run_dir=tmp_path, name="first")
    tracker.artifact(artifact(tmp_path))
    tracker.finish()
    found = read(name, run_dir=tmp_path, folder=tmp_path)
    assert found.files == {"digits-table": set()}
    assert found.versions == {"digits-table": "0123456789ab"}


def test_none_writes_nothing(tmp_path: Path) -> None:
    tracker = make_tracker({"name": "none"})
    tracker.start(config={}, run_dir=tmp_path, name="x")
    tracker.log({"a": 1.0}, step=1)
    tracker.finish()
    assert list(tmp_path.iterdir()) == []
