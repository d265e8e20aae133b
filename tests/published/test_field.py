"""Published networks beside the front: the facts, and their measurement with ``search.field=true``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nas.errors import UserError
from nas.network import reference_names
from nas.published.field import read_field
from nas.report.sections.search_words import field
from tests.cli.steps.test_cli_search import nas
from tests.published import small


def test_every_network_of_the_shipped_field_exists_and_has_a_source() -> None:
    networks = read_field("ImageNet")
    assert len(networks) >= 20
    assert len({each.name for each in networks}) == len(networks)
    for each in networks:
        assert each.network in reference_names()
        assert 0.5 < each.top1 < 0.9
        assert each.source
        assert each.spec(classes=1000, input_channels=3).resolution == each.resolution


def test_figures_of_torchvision_are_those_of_its_weights() -> None:
    models = pytest.importorskip("torchvision.models")
    for each in read_field("ImageNet"):
        if each.source.startswith("torchvision"):
            weights = models.get_weight(each.source.rsplit(" ", 1)[1])
            assert 100 * each.top1 == pytest.approx(weights.meta["_metrics"]["ImageNet-1K"]["acc@1"])
            crop = weights.transforms.keywords["crop_size"]
            assert each.resolution == crop


def test_a_damaged_or_missing_field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="unknown field of published networks 'flowers'"):
        read_field("flowers")
    folder = tmp_path / "published_accuracies" / "field"
    folder.mkdir(parents=True)
    (folder / "imagenet.json").write_text('{"schema": 2, "networks": []}')
    with pytest.raises(UserError, match="has schema 2; this version reads schema 1"):
        read_field("ImageNet")


SETTINGS = (
    "search",
    "space=small",
    "search.accuracy=published",
    "search.candidates=210",
    "search.field=true",
    "search.field_budget=2s",
    "table.budget=1s",
    "table.correction_networks=2",
    "table.validation_networks=2",
    "run_dir=run",
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "search_spaces").mkdir()
    small.write(tmp_path, small.content(small.space(tmp_path / "search_spaces")))
    folder = tmp_path / "published_accuracies" / "field"
    folder.mkdir()
    network = {"network": "resnet20", "resolution": 32, "top1_percent": 99.5, "source": "nobody"}
    (folder / "digits.json").write_text(json.dumps({"schema": 1, "data": "digits", "networks": [network]}))
    return tmp_path


def test_the_field_is_measured_beside_the_front(project: Path) -> None:
    code, _, err = nas(project, "table", *SETTINGS[1:], "table.classes=10", "table.input_channels=1")
    assert code == 0, err
    code, out, err = nas(project, *SETTINGS)
    assert code == 0, err
    value = json.loads((project / "run" / "search" / "field.json").read_text())
    rows = value["networks"]
    assert [row["network"] for row in rows if row["from"] == "field"] == ["resnet20 32 px"]
    assert 2 <= len(rows) <= 6
    assert sum(row["from"] == "winner" for row in rows) == 1
    assert [row["latency"]["value"] for row in rows] == sorted(row["latency"]["value"] for row in rows)
    for row in rows:
        faster = [each["top1"] for each in rows if each["latency"]["value"] <= row["latency"]["value"]]
        assert row["best"] == (max(faster) == row["top1"])
    assert "resnet20 32 px" in out
    page = "\n".join(field(project / "run" / "search"))
    assert "resnet20 32 px" in page
    assert "published" in page
