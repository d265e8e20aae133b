"""``MODEL_CARD.md``: the metadata parse, and every figure is that of the run's files."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from nas.deploy import Artefact, read_manifest
from nas.deploy.attempts import Attempt, Attempts, write_attempts
from nas.errors import UserError
from nas.files import read_json, sha256, write_json
from nas.report.card import Data, write_card

HOSTILE = ("<b>cat</b> & *dog*", "a|b `c`", "[fox](http://x) \udc80\n---\nkey: value")

IMAGES = Data(
    name="image_folder",
    folder="pets",
    classes=("cat", "dog", "fox"),
    channels=1,
    train=1000,
    validation=200,
    test=360,
    drawn=("validation", "test"),
    notes=("no test images of fox: the test accuracy says nothing about them",),
    seed=7,
)


def settings_of(run_dir: Path, step: str, **settings: Any) -> None:
    """Records a step as if its inputs had never changed."""
    inputs = {
        "scale": ("search's winner", "search/winner.json"),
        "final": ("winner's network", "scale/scale.json"),
    }
    name, source = inputs.get(step, ("", ""))
    hashes = {name: sha256(run_dir / source)} if source and (run_dir / source).is_file() else {}
    record = {
        "settings": settings,
        "inputs": hashes,
        "finished": "2026-11-29",
        "versions": {"torch": "2.15.0"},
    }
    write_json(run_dir / step / "step.json", record)


FINISH = {
    "epochs": 10,
    "batch_size": 32,
    "learning_rate": 0.4,
    "weight_decay": 1e-4,
    "label_smoothing": 0.1,
    "network": None,
}


@pytest.fixture
def run(run_dir: Path) -> Path:
    """A complete run whose steps have left their records."""
    settings_of(run_dir, "search", search={"sampler": "nsga2"})
    settings_of(run_dir, "scale")
    settings_of(run_dir, "final", finish=FINISH)
    return run_dir


def exported(run: Path, **changes: Any) -> Sequence[Artefact]:
    """The files of the run, and an INT8 file of the winner, with changes to the winner's first."""
    first, *rest = read_manifest(run / "deploy")
    assert first.name == "winner"
    int8 = dataclasses.replace(
        first, format="onnx_int8", file="winner.int8.onnx", test_correct=350, latency_ms=None, note="for x86"
    )
    return [dataclasses.replace(first, **changes), int8, *rest]


def card(
    run: Path, *, files: Sequence[Artefact] | None = None, images: Data = IMAGES, license: str | None = None
) -> str:
    files = exported(run) if files is None else files
    path = write_card(
        run / "deploy", run_dir=run, exported=files, shipped=files[0], images=images, license=license
    )
    assert path.name == "MODEL_CARD.md"
    return path.read_text(encoding="utf-8")


def metadata(text: str) -> Any:
    opening, front, body = text.split("---\n", 2)
    assert opening == "" and body.startswith("\n# ")
    return yaml.safe_load(front)


def section(text: str, title: str) -> str:
    return text.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def rows(text: str) -> list[list[str]]:
    """The cells of all tables; a row without its head's number of cells is an error."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def tables_are_whole(text: str) -> bool:
    blocks = [part.splitlines() for part in text.split("\n\n") if part.startswith("|")]
    return all(len({len(cells) for cells in rows("\n".join(lines))}) == 1 for lines in blocks)


def test_the_metadata_are_those_of_hugging_face(run: Path) -> None:
    value = metadata(card(run))
    assert value["license"] == "other"
    assert (value["library_name"], value["pipeline_tag"]) == ("onnx", "image-classification")
    assert value["metrics"] == ["accuracy"]
    [index] = value["model-index"]
    [result] = index["results"]
    assert index["name"] == "demo"
    assert result["task"]["type"] == "image-classification"
    assert result["dataset"] == {"type": "image_folder", "name": "pets (image_folder)", "split": "test"}
    first, second = result["metrics"]
    shipped = exported(run)[0]
    assert shipped.test_correct is not None
    assert first["value"] == pytest.approx(shipped.test_correct / 360, abs=1e-4)
    assert (second["type"], second["name"]) == ("accuracy", "Test accuracy of winner.int8.onnx")
    assert metadata(card(run, license="apache-2.0"))["license"] == "apache-2.0"


@pytest.mark.parametrize("name", ["cat: dog", "- x", "'\"", "a #b", "null", "2026-11-29", "\udc80\n---\n"])
def test_metadata_hold_any_name(run: Path, name: str) -> None:
    images = dataclasses.replace(IMAGES, folder=name)
    [index] = metadata(card(run, images=images))["model-index"]
    text = name.replace("\udc80\n", "\ufffd ").strip()
    assert index["results"][0]["dataset"]["name"] == f"{text} (image_folder)"


def test_class_names_change_no_structure(run: Path) -> None:
    results = read_json(run / "final" / "results.json")
    for item in results["networks"]:
        item["classes"] = list(HOSTILE)
    write_json(run / "final" / "results.json", results)
    text = card(run, images=dataclasses.replace(IMAGES, classes=HOSTILE))
    assert metadata(text)["license"] == "other"
    assert tables_are_whole(text)
    assert re.findall(r"^---$", text, re.MULTILINE) == ["---", "---"]
    for harmful in ("<b>", " *dog", "`c`", "[fox]("):
        assert harmful not in text.replace("\\" + harmful.strip(), "")
    assert r"\<b\>cat\</b\> \& \*dog\*" in text and r"a\|b \`c\`" in text


def test_figures_are_those_of_the_files(run: Path) -> None:
    text, shipped = card(run), exported(run)[0]
    assert tables_are_whole(text)
    assert shipped.test_correct is not None and shipped.latency_ms is not None
    accuracy = rows(section(text, "Accuracy"))
    assert accuracy[2][0] == "`winner.onnx`"
    assert accuracy[2][1] == f"{100 * shipped.test_correct / 360:.1f}"
    assert accuracy[2][3:] == [str(shipped.test_correct), "360"]
    assert accuracy[3][:2] == ["`winner.int8.onnx`", "97.2"]
    assert accuracy[3][2] == "95.0–98.5", "Wilson's interval of 350 of 360"
    latency = section(text, "Latency")
    assert "Conditions: machine a laptop, 2 cores; runtime onnxruntime 1.32; provider" in latency
    assert "threads 1; batch 1." in latency
    assert rows(latency)[2][:3] == ["`winner.onnx`", "fp32", f"{shipped.latency_ms.value:.3f}"]
    assert "Not measured: `winner.int8.onnx`." in latency
    assert "differs by +2.0 %" in latency
    assert rows(section(text, "Parity"))[2] == ["`winner.onnx`", "1.0e-06", "–", "100.0", "64"]


def test_the_origin_of_the_network(run: Path) -> None:
    text = card(run)
    assert "| architecture      | `r24`" in section(text, "Network")
    search = section(text, "Search")
    assert "40 networks of the space `tiny_32` were evaluated" in search and "sampler `nsga2`" in search
    assert rows(search)[2][:2] == ["`accuracy`", "maximize"]
    assert rows(search)[3][:3] == ["`latency_ms`", "minimize", "latency 0.200 ms"]
    assert "12 whole networks, not used for fitting, is " in search
    data = section(text, "Data")
    assert "The search-validation and test images were drawn from its training images" in data
    assert [row[2] for row in rows(data)[2:]] == ["1000", "200", "360"]
    training = section(text, "Training")
    assert "(epochs 10, batch size 32, learning rate 0.4" in training and "torch 2.15.0" in training
    own = card(run, images=dataclasses.replace(IMAGES, drawn=()))
    assert "The data set itself defines the three parts." in own


def test_classes_of_the_shipped_file(run: Path) -> None:
    text = section(card(run), "Accuracy").split("### By class", 1)[1].split("### ", 1)[0]
    cat, dog, fox = rows(text)[2:]
    assert cat == ["cat", "100.0", "98.6–100.0", "280", "280"]
    assert dog[0] == "dog" and dog[4] == "80"
    assert fox == ["fox", "–", "–", "0", "0"]


def test_limits_say_what_the_figures_do_not(run: Path) -> None:
    text = section(card(run), "Limits")
    assert re.search(r"- 360 test images: the 95 % interval of the accuracy spans \d\.\d points\.", text)
    assert "The class with the fewest test images, dog, has 80." in text
    assert "- No test images of fox: the test accuracy says nothing about them." in text
    assert "were drawn from the same images as the training images" in text
    assert "`nas trust` has evaluated" not in text
    assert "- `winner.int8.onnx`: for x86." in text
    assert "The licence is not stated" in text and "budget" not in text and "disturbed" not in text
    assert "The licence is not stated" not in card(run, license="mit")


def test_a_disturbed_measurement_is_a_limit(run: Path) -> None:
    shipped = exported(run)[0]
    assert shipped.latency_ms is not None
    disturbed = dataclasses.replace(shipped.latency_ms, disturbed="other programs kept 1.6 CPUs busy")
    text = card(run, files=exported(run, latency_ms=disturbed))
    assert rows(section(text, "Latency"))[2][-1] == "other programs kept 1.6 CPUs busy"
    assert "- The measurement of latencies was disturbed: other programs kept 1.6 CPUs busy." in text
    assert "(measured while other programs kept 1.6 CPUs busy)" in text.split("## Network")[0]


def scale(run: Path, *, budget_ms: float) -> None:
    """Scales the winner, so that it is no point of the space."""
    results = read_json(run / "final" / "results.json")
    for item in results["networks"]:
        item["code"] = None
    write_json(run / "final" / "results.json", results)
    value = {"method": "latency", "latency_ms": budget_ms, "predicted_ms": 0.1, "code": None, "network": {}}
    write_json(run / "scale" / "scale.json", value)
    settings_of(run, "scale")
    settings_of(run, "final", finish=FINISH)


def test_weighted_classes_are_stated(run: Path) -> None:
    assert "on the training images (epochs" in section(card(run), "Training")
    settings_of(run, "final", finish=FINISH, data={"class_weights": "balanced"})
    assert "each class with the same share of the loss (epochs" in section(card(run), "Training")


def test_a_missed_budget_is_a_limit(run: Path) -> None:
    shipped = exported(run)[0]
    assert shipped.latency_ms is not None
    scale(run, budget_ms=0.9 * shipped.latency_ms.value)
    text = card(run)
    assert "The latency budget of " in section(text, "Limits") and "is missed" in section(text, "Limits")
    budget = f"{0.9 * shipped.latency_ms.value:.3f} ms"
    assert f"The winner was scaled by the method `latency`, for a latency budget of {budget}." in text
    assert "| architecture      | scaled from `r" in section(text, "Network")
    elsewhere = {**shipped.device, "machine": "another"}
    assert "is missed" not in card(run, files=exported(run, device=elsewhere))
    scale(run, budget_ms=2 * shipped.latency_ms.value)
    assert "is missed" not in card(run)


def test_candidates_that_missed_the_budget_are_named(run: Path) -> None:
    scale(run, budget_ms=0.1)
    attempt = Attempt(candidate=0, phi=1.0, predicted_ms=0.1, budget_ms=0.1, artefact=exported(run)[0])
    write_attempts(run, Attempts(candidate=1, missed=(attempt,)))
    assert "Larger candidates were exported before and missed it: scaled network 0.096 ms." in card(run)


def test_without_a_measurement_there_is_none(run: Path) -> None:
    text = card(run, files=[dataclasses.replace(each, latency_ms=None) for each in exported(run)])
    assert section(text, "Latency").strip() == "No file was measured."
    assert "The latency of `winner.onnx` was not measured." in text


def test_a_file_that_cannot_run_here_has_no_figures(run: Path) -> None:
    unknown = {"parity": None, "test_correct": None, "test_total": None, "test_by_class": ()}
    files = exported(run)
    files = [files[0], dataclasses.replace(files[1], **unknown, note="could not be run here: no GPU")]
    text = card(run, files=files)
    assert "winner.int8.onnx" not in section(text, "Accuracy") + section(text, "Parity")
    assert "- `winner.int8.onnx`: could not be run here: no GPU." in text


def test_a_network_of_the_users_own_comes_from_no_search(run: Path) -> None:
    settings_of(run, "final", finish={**FINISH, "network": "net.json"})
    text = card(run)
    assert "\n## Search\n" not in text and "r24" not in text
    assert "| architecture      | given by the user" in text
    assert "hwnas trained, exported and measured it." in text
    assert [row[1] for row in rows(section(text, "Data"))[3:]] == ["parity", "accuracies of the files"]


def test_a_later_search_is_not_that_of_the_network(run: Path) -> None:
    write_json(run / "search" / "winner.json", {**read_json(run / "search" / "winner.json"), "number": -1})
    assert "\n## Search\n" not in card(run)


def test_what_a_run_lacks_is_left_out(run: Path) -> None:
    for name in ("search", "scale", "supernet", "table", "trust"):
        shutil.rmtree(run / name, ignore_errors=True)
    (run / "final" / "step.json").unlink()
    (run / "provenance.json").unlink(missing_ok=True)
    text = card(run, files=exported(run)[:1])
    assert tables_are_whole(text)
    assert not {"Search", "Training"} & set(re.findall(r"^## (.*)$", text, re.MULTILINE))
    assert "None" not in text and "Compared with" not in text.split("## Latency")[0].split("### By class")[0]


def test_a_damaged_record_is_one_message(run: Path) -> None:
    (run / "search" / "pareto.json").write_text(json.dumps({}))
    with pytest.raises(UserError, match="search again: nas search"):
        card(run)
