from __future__ import annotations

import io
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from nas.deploy.manifest import read_manifest, write_manifest
from nas.errors import UserError
from nas.files import read_json, sha256, write_json
from nas.report import print_table, read_table, report, wilson
from nas.report.table import footnote, measured


def printed(run_dir: Path, *, width: int = 120) -> str:
    stream = io.StringIO()
    print_table(read_table(run_dir), Console(file=stream, width=width))
    return stream.getvalue()


def one_line(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("correct", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (0, 20, 0.0, 0.1611), (20, 20, 0.8389, 1.0), (15, 148, 0.0624, 0.1605)],
)
def test_wilson_equals_published_intervals(correct: int, total: int, low: float, high: float) -> None:
    """Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3."""
    assert wilson(correct, total) == pytest.approx((low, high), abs=1e-4)


def test_wilson_holds_the_share_whatever_the_number_of_images() -> None:
    for total in range(1, 2001):
        for correct in {0, 1, total // 3, total // 2, total - 1, total}:
            low, high = wilson(correct, total)
            assert 0 <= low <= correct / total <= high <= 1
        assert wilson(0, total)[0] == 0
        assert wilson(total, total)[1] == 1


def test_rows(run_dir: Path) -> None:
    rows = read_table(run_dir)
    assert [row.role for row in rows] == ["winner", "largest", "smallest", *["baseline"] * 4]
    assert [row.name for row in rows if row.best] == ["mobilenet_v2 ×0.35"]
    baselines = [row.macs for row in rows if row.role == "baseline"]
    assert baselines == sorted(baselines)
    winner = rows[0]
    assert winner.network.macs == winner.macs
    assert winner.exported
    assert winner.latency_ms is not None
    low, high = winner.test_interval
    assert low < winner.test_accuracy < high


def test_a_disturbed_measurement_is_marked(run_dir: Path) -> None:
    assert "and its 95 % interval, undisturbed as far as is known." in one_line(printed(run_dir))
    artefacts = read_manifest(run_dir / "deploy")
    cause = "other programs kept 1.0 CPUs busy"
    winner = next(artefact for artefact in artefacts if artefact.name == "winner")
    assert winner.latency_ms is not None
    latency_ms = replace(winner.latency_ms, disturbed=cause)
    disturbed = replace(winner, latency_ms=latency_ms)
    write_manifest(run_dir / "deploy", [disturbed if each is winner else each for each in artefacts])
    assert f"interval, * disturbed: {cause}." in one_line(printed(run_dir))
    rows = read_table(run_dir)
    assert [measured(row).endswith("*") for row in rows] == [row.name == "winner" for row in rows]
    page = report(run_dir).read_text(encoding="utf-8")
    assert f" ms per image, measured while {cause}; best baseline" in page


def test_accuracy_of_the_exported_file_wins(run_dir: Path) -> None:
    exported = read_table(run_dir)[0].test_correct
    shutil.rmtree(run_dir / "deploy")
    trained = read_table(run_dir)[0]
    assert trained.test_correct == exported - 1
    assert not trained.exported
    assert trained.latency_ms is None


def test_table_is_printed(run_dir: Path) -> None:
    text = printed(run_dir)
    winner = read_table(run_dir)[0]
    line = next(line for line in text.splitlines() if line.strip().startswith("winner"))
    assert f"{100 * winner.test_accuracy:.1f} (" in line
    assert f"{winner.macs * 1e-6:.2f}" in line
    assert winner.predicted_ms is not None
    assert f"{winner.predicted_ms:.3f}" in line
    assert "±" in line
    assert "mobilenet_v2 ×0.35 (best)" in text
    assert "360 images" in text


@pytest.mark.parametrize("width", [120, 80, 60, 20])
def test_every_name_is_readable_however_narrow_the_terminal(run_dir: Path, width: int) -> None:
    path = run_dir / "final" / "results.json"
    path.write_text(path.read_text().replace("mobilenet_v2 ", "mobilenet_v2_cifar "))
    value = read_json(path)
    for item in value["networks"]:
        item |= {"macs": 1_234_567_890, "params": 25_557_032, "estimated": True}
    write_json(path, value)
    inputs = {"trained networks": sha256(path)}
    write_json(run_dir / "deploy" / "step.json", {"inputs": inputs})
    text = printed(run_dir, width=width)
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in text
    words = " ".join(text.split())
    table = text.partition("Test accuracy:")[0].splitlines()  # without the notes
    assert sum(line.startswith("mobilenet_v2_cifar") for line in table) == 4
    assert "1234.57" in words
    assert "25557.0" in words
    for name in ("×0.1", "×0.25", "×0.35 (best)", "×0.5"):
        assert name in words


def test_unknown_values_are_not_invented(run_dir: Path) -> None:
    shutil.rmtree(run_dir / "deploy")
    path = run_dir / "final" / "results.json"
    value = read_json(path)
    for item in value["networks"]:
        item["predicted_ms"] = None
    write_json(path, value)
    text = printed(run_dir)
    assert "not yet exported" in text
    line = next(line for line in text.splitlines() if line.strip().startswith("winner"))
    assert line.split()[-2:] == ["–", "–"]


def test_test_images_that_trust_has_read_are_not_called_unread(run_dir: Path) -> None:
    assert "360 images not used before" in footnote(read_table(run_dir))
    path = run_dir / "trust" / "trust.json"
    write_json(path, {**read_json(path), "images": "test"})
    assert "360 images also used by `nas trust`" in footnote(read_table(run_dir))
    path.write_text("[]")
    assert "not used before" in footnote(read_table(run_dir))


def test_exported_files_of_an_earlier_training_are_left_out(run_dir: Path) -> None:
    path = run_dir / "final" / "results.json"
    value = read_json(path)
    for item in value["networks"]:
        item["test_correct"] = 100
    write_json(path, value)
    winner = read_table(run_dir)[0]
    assert (winner.test_correct, winner.exported, winner.latency_ms) == (100, False, None)
    assert "exported files are from an earlier training; run nas export" in " ".join(printed(run_dir).split())


def test_exported_files_without_a_record_are_left_out(run_dir: Path) -> None:
    (run_dir / "deploy" / "step.json").unlink()
    assert read_table(run_dir)[0].latency_ms is None


def test_missing_and_foreign_results(run_dir: Path) -> None:
    path = run_dir / "final" / "results.json"
    path.write_text('{"networks": [{}], "best_baseline": null}')
    with pytest.raises(UserError, match=r"results\.json cannot be read.*nas finish run_dir="):
        read_table(run_dir)
    path.unlink()
    with pytest.raises(UserError, match="does not exist"):
        read_table(run_dir)
