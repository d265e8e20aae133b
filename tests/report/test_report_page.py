from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from nas.errors import UserError
from nas.files import read_json, sha256, write_json
from nas.report import pictures, report
from nas.report.sections.base import Run
from nas.report.sections.every import SECTIONS
from tests.report.conftest import part
from tests.report.pages import Parsed, parse


def page_of(run_dir: Path) -> Parsed:
    return parse(report(run_dir).read_text(encoding="utf-8"))


def test_complete_run_gives_every_part(run_dir: Path) -> None:
    assert report(run_dir) == run_dir / "report.html"
    page = page_of(run_dir)
    assert page.headings == [section.title for section in SECTIONS]
    assert page.of_class("missing") == 0
    assert {chart["title"] for chart in page.charts} == {
        "Test accuracy against measured latency",
        "Hypervolume against evaluations",
        "Predicted against measured latency",
        "Stand-alone against inherited accuracy",
        "Latency against φ",
        "Training losses of the supernet",
    }
    assert "; best baseline, mobilenet_v2 ×0.35: " in page.text
    assert "random search with the same budget" in page.text
    assert "Error on 12 whole networks" in page.text
    assert "note: a < b & c" in page.text  # escaped in the file


def test_page_needs_nothing_from_elsewhere(complete_page: str) -> None:
    page = parse(complete_page)
    [policy] = [known["content"] for _, known in page.elements if known.get("http-equiv")]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "https:" not in policy and "*" not in policy and "unsafe-eval" not in policy
    for _, attributes in page.elements:
        assert "src" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        assert attributes.get("href", "#").startswith("#")
    styles = "".join(re.findall(r"<style>.*?</style>", complete_page, re.DOTALL))
    assert "@import" not in styles and "url(" not in styles
    assert len(complete_page.encode()) < 6 * 2**20


def test_the_policy_holds_the_hash_of_every_script(complete_page: str) -> None:
    scripts = re.findall(r"<script>(.*?)</script>", complete_page, re.DOTALL)
    [policy] = [known["content"] for _, known in parse(complete_page).elements if known.get("http-equiv")]
    assert len(scripts) == 2
    for script in scripts:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_ids_are_unique_and_references_meet_them(complete_page: str) -> None:
    page = parse(complete_page)
    ids = [known["id"] for _, known in page.elements if "id" in known]
    assert len(ids) == len(set(ids))
    references = {known["href"][1:] for _, known in page.elements if "href" in known}
    references |= {known["for"] for _, known in page.elements if "for" in known}
    assert references <= set(ids)


NAME = "</script><script>alert(1)</script>"


def test_names_from_outside_are_text(run_dir: Path) -> None:
    for name in ("final/results.json", "provenance.json"):
        path = run_dir / name
        path.write_text(path.read_text().replace("dog", NAME.replace("/", "\\/")))
    results = read_json(run_dir / "final" / "results.json")
    for item in results["networks"]:
        item["classes"] = [NAME, "<b>dog</b>", "fox"]
        item["name"] = item["name"].replace("largest", f"<img src=x> {NAME}")
    write_json(run_dir / "final" / "results.json", results)
    (run_dir / "config.yaml").write_text(f"space: tiny_32\nnote: {NAME}\n")
    folder = run_dir.rename(run_dir.parent / "<i>run")
    page = page_of(folder)
    assert page.text.count(NAME) >= 3  # a class, a network, the configuration
    assert {"b", "i", "img"}.isdisjoint(name for name, _ in page.elements if name != "b")
    assert sum(name == "script" for name, _ in page.elements) == 2 + len(page.charts) + len(page.data)


def test_same_files_give_the_same_page(run_dir: Path, complete_page: str) -> None:
    assert report(run_dir).read_text(encoding="utf-8") == complete_page


def test_empty_run_names_the_commands(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "new"
    folder.mkdir(parents=True)
    text = page_of(folder).text
    for command in ("finish", "search", "scale", "table", "train", "export", "run"):
        assert f"nas {command} run_dir={folder.as_posix()}" in text


@pytest.mark.parametrize(
    ("absent", "command"),
    [
        ("supernet", "nas train"),
        ("search", "nas search"),
        ("scale", "nas scale"),
        ("final", "nas finish"),
        ("deploy", "nas export"),
        ("table", "nas table"),
    ],
)
def test_missing_step_leaves_the_others(run_dir: Path, absent: str, command: str) -> None:
    shutil.rmtree(run_dir / absent)
    html = report(run_dir).read_text(encoding="utf-8")
    lines = re.findall(r'<p class="missing">(.*?)</p>', html)
    assert lines
    assert all(command in line for line in lines)
    assert len(parse(html).charts) >= 3


def test_winner_is_drawn_before_it_is_trained(run_dir: Path) -> None:
    shutil.rmtree(run_dir / "final")
    assert "The scaled winner: " in part(run_dir, "The winner")
    shutil.rmtree(run_dir / "scale")
    assert "The search&#39;s choice: " in part(run_dir, "The winner")


def test_unmeasured_blocks_are_named(run_dir: Path) -> None:
    path = run_dir / "final" / "results.json"
    value = read_json(path)
    next(item for item in value["networks"] if item["role"] == "winner")["network"]["resolution"] = 30
    write_json(path, value)
    assert re.search(r"The latency table here lacks \d+ of its blocks", part(run_dir, "The winner"))


def test_search_without_control_or_latency(run_dir: Path) -> None:
    (run_dir / "search" / "control.json").unlink()
    assert "there is no control" in part(run_dir, "Search")
    for name in ("pareto.json", "winner.json", "trials.csv"):
        path = run_dir / "search" / name
        path.write_text(path.read_text().replace("latency_ms", "macs").replace('"unit": "ms"', '"unit": ""'))
    run = Run(run_dir)
    next(section for section in SECTIONS if section.name == "search").render(run)
    assert run.data["candidates"]["chart"]["title"] == "Accuracy against macs"


@pytest.mark.parametrize(
    ("section", "folder", "name", "source", "what", "command"),
    [
        ("Search", "search", "supernet", "supernet/weights.safetensors", "supernet", "search"),
        ("Scaling", "scale", "search's winner", "search/winner.json", "search", "scale"),
        ("Result", "final", "winner's network", "scale/scale.json", "scaling", "finish"),
        ("Exported files", "deploy", "trained networks", "final/results.json", "training", "export"),
        (
            "Trust in the supernet",
            "trust",
            "supernet's weights",
            "supernet/weights.safetensors",
            "supernet",
            "trust",
        ),
    ],
)
def test_what_is_of_an_earlier_step_is_told(
    run_dir: Path, section: str, folder: str, name: str, source: str, what: str, command: str
) -> None:
    line = f"This is from an earlier {what}; to update it, run"
    (run_dir / "supernet" / "weights.safetensors").write_bytes(b"weights")
    write_json(run_dir / folder / "step.json", {"inputs": {name: sha256(run_dir / source)}})
    assert line not in part(run_dir, section)
    with (run_dir / source).open("a") as stream:
        stream.write("\n")
    text = part(run_dir, section)
    assert line in text and f"nas {command} run_dir=" in text


def test_a_named_network_does_not_come_from_the_scaling(run_dir: Path) -> None:
    record = {"settings": {"finish": {"network": "mine.json"}}, "inputs": {"winner's network": "0" * 64}}
    write_json(run_dir / "final" / "step.json", record)
    assert "from an earlier" not in part(run_dir, "Result")


@pytest.mark.parametrize(
    "name",
    [
        "search/pareto.json",
        "final/results.json",
        "deploy/manifest.json",
        "scale/scale.json",
        "trust/trust.json",
    ],
)
def test_damaged_file_does_not_hide_the_rest(run_dir: Path, name: str) -> None:
    (run_dir / name).write_text("{")
    text = page_of(run_dir).text
    assert "Cannot be shown:" in text
    assert f"{Path(name).name} is not valid JSON" in text
    assert "Training losses over 12 epochs" in text


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("supernet/history.csv", "epoch"),
        ("search/trials.csv", "state"),
        ("search/trials.csv", "number"),
    ],
)
def test_a_damaged_header_does_not_hide_the_rest(run_dir: Path, name: str, column: str) -> None:
    path = run_dir / name
    header, _, rows = path.read_text(encoding="utf-8").partition("\n")
    assert column in header
    path.write_text(f"{header.replace(column, 'x' + column)}\n{rows}", encoding="utf-8")
    text = page_of(run_dir).text
    assert "Cannot be shown:" in text
    assert "config.yaml" in text


@pytest.mark.parametrize("name", ["supernet/history.csv", "search/trials.csv"])
def test_a_header_that_runs_into_the_first_row_does_not_hide_the_rest(run_dir: Path, name: str) -> None:
    path = run_dir / name
    path.write_bytes(path.read_bytes().replace(b"\r", b"").replace(b"\n", b"\x0b", 1))
    text = page_of(run_dir).text
    assert "has more or fewer cells than the header" in text
    assert "config.yaml" in text


@pytest.mark.parametrize("name", ["supernet/history.csv", "search/trials.csv"])
def test_a_header_that_lacks_columns_does_not_hide_the_rest(run_dir: Path, name: str) -> None:
    path = run_dir / name
    header, _, rows = path.read_text(encoding="utf-8").partition("\n")
    path.write_text(f"{header.partition(',')[0]}\n{rows}", encoding="utf-8")
    text = page_of(run_dir).text
    assert "has more or fewer cells than the header" in text
    assert "config.yaml" in text


def test_final_losses_without_epochs_do_not_hide_the_rest(run_dir: Path) -> None:
    (run_dir / "final" / "winner.csv").write_text("Epoch,loss\n1,0.5\n")
    text = page_of(run_dir).text
    assert "Cannot be shown: the training history has no epochs" in text
    assert "config.yaml" in text


def test_a_configuration_that_is_no_text_does_not_hide_the_rest(run_dir: Path) -> None:
    (run_dir / "config.yaml").write_bytes(b"seed: 0\nname: \x8a\n")
    text = page_of(run_dir).text
    assert "config.yaml, line 2: byte 0x8a is not UTF-8" in text
    assert "Training losses over 12 epochs" in text


def test_foreign_content_is_a_clear_error(run_dir: Path) -> None:
    (run_dir / "scale" / "scale.json").write_text("{}")
    (run_dir / "search" / "pareto.json").write_text('{"objectives": []}')
    text = page_of(run_dir).text
    assert "no accuracy to maximise or no cost to minimise" in text
    assert "scale.json cannot be read" in text


def test_no_such_run(tmp_path: Path) -> None:
    for make in (report, lambda folder: pictures(folder, tmp_path)):
        with pytest.raises(UserError, match="nowhere is not a folder; name a run folder"):
            make(tmp_path / "nowhere")


def test_pictures(run_dir: Path, tmp_path: Path) -> None:
    from matplotlib.image import imread

    paths = pictures(run_dir, tmp_path / "pictures")
    names = [f"{name}{suffix}" for name in ("comparison", "pareto") for suffix in (".png", ".svg")]
    assert [path.name for path in paths] == [*names, "network.svg"]
    for path in paths:
        if path.suffix == ".png":
            assert imread(path).std() > 0.05  # something was drawn
        else:
            ElementTree.parse(path)


def test_pictures_of_an_unfinished_run(run_dir: Path, tmp_path: Path) -> None:
    for name in ("final", "deploy", "search"):
        shutil.rmtree(run_dir / name)
    assert [path.name for path in pictures(run_dir, tmp_path / "pictures")] == ["network.svg"]


def test_report_loads_no_pytorch_and_no_window(run_dir: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from nas.report import report\n"
        "assert 'matplotlib' not in sys.modules\n"
        "report(Path(sys.argv[1]))\n"
        "sys.exit(' '.join({'torch', 'onnxruntime', 'matplotlib.pyplot'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(run_dir)], capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() == ""
    assert done.returncode == 0
