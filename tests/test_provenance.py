from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from nas import provenance


def record(run_dir: Path, seed: int = 0, **inputs: Path) -> dict[str, object]:
    provenance.write_provenance(
        run_dir,
        command="train",
        overrides=[f"seed={seed}"],
        seed=seed,
        config={"seed": seed, "data": {"name": "digits"}},
        inputs=inputs,
    )
    return dict(json.loads((run_dir / provenance.RECORD).read_text()))


def test_it_says_what_was_run_with_what_and_where(tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text("name: x")
    found = record(tmp_path, space=tmp_path / "space.yaml")
    assert found["command"] == "train"
    assert found["overrides"] == ["seed=0"]
    assert {"python", "hwnas", "torch", "onnxruntime"} <= set(found["versions"])  # type: ignore[call-overload]
    assert {"cpu", "cores"} <= set(found["machine"])  # type: ignore[call-overload]
    assert len(found["inputs"]["space"]["sha256"]) == 64  # type: ignore[index]
    config = yaml.safe_load((tmp_path / provenance.CONFIG).read_text())
    assert config == {"seed": 0, "data": {"name": "digits"}}


def test_records_of_earlier_commands_are_kept(tmp_path: Path) -> None:
    for seed in range(3):
        found = record(tmp_path, seed)
    assert found["seed"] == 2
    assert [earlier["seed"] for earlier in found["earlier"]] == [1, 0]  # type: ignore[attr-defined]


def test_a_damaged_record_does_not_stop_a_run(tmp_path: Path) -> None:
    (tmp_path / provenance.RECORD).write_text("[")
    assert record(tmp_path)["earlier"] == []


def test_the_commit_is_that_of_our_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = provenance.commit()
    assert found is None or len(str(found["commit"])) == 40
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "provenance.py"))
    assert provenance.commit() is None  # an installed package has none
