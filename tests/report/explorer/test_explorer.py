"""The explorer: what its page looks up and adds is what the library computes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from nas.errors import UserError
from nas.hardware import Device
from nas.latency import BlockModel, LatencyTable, load_table
from nas.latency.estimate.roofline import roofline_table
from nas.network.memory import peak_activation_bytes, weight_bytes
from nas.report.explorer import Explored, write_explorer
from nas.report.explorer.accuracy import additive_model
from nas.report.explorer.build import MOST_BYTES
from nas.report.explorer.costs import Target
from nas.report.explorer.geometry import Geometry
from nas.space import SearchSpace
from tests.report.browser import Browser, needs_chromium, started
from tests.report.pages import parse

TABLE = "mixed_32-epyc-onnxruntime-fp32"
BOARD = Device(name="board", peak_flops={"fp32": 1e11}, bandwidth_bytes_per_s=1e10)  # type: ignore[arg-type]


def estimates(space: SearchSpace) -> Target:
    table = LatencyTable(name="board", device=BOARD, space=space.name, model=BlockModel({}))
    return Target(table, estimated=True, named="board")


def explored(space: SearchSpace, *targets: Target, classes: int = 1000) -> Explored:
    return Explored(space=space, name=space.name, targets=targets, classes=classes)


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return SearchSpace.load("mixed_32")


@pytest.fixture(scope="module")
def page(space: SearchSpace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("explorer") / "mixed_32.html"
    measured = Target(load_table(TABLE), estimated=False, named=TABLE)
    write_explorer(path, [explored(space, measured, estimates(space), classes=10)])
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with started() as browser:
        yield browser


@needs_chromium
def test_500_random_settings_cost_what_the_library_says(
    browser: Browser, page: Path, space: SearchSpace
) -> None:
    browser.open(page)
    rows = space.sample_many(500, np.random.default_rng(0))
    free = np.where(rows < 0, 0, rows)  # what no block reads is for the page to leave out
    found = browser.run(
        "return arguments[0].map(row => explorer.evaluate(explorer.canonical(row)))", free.tolist()
    )
    table = load_table(TABLE)
    for row, each in zip(rows, found, strict=True):
        [arch] = space.decode(row[None])
        network = space.network(arch, classes=10)
        assert each["code"] == str(arch)
        assert (each["macs"], each["params"]) == (network.macs, network.params)
        assert each["weights"] == weight_bytes(network)
        assert each["activations"] == peak_activation_bytes(network)
        estimated = roofline_table(network.blocks, device=BOARD).predict(network)
        for ms, expected in zip(each["ms"], (table.predict(network), estimated), strict=True):
            assert math.isclose(ms, expected, rel_tol=1e-6)


@needs_chromium
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1400, 390])
def test_it_is_quiet_fits_the_window_and_everyone_can_read_it(
    browser: Browser, page: Path, width: int, dark: bool
) -> None:
    browser.open(page, width=width, dark=dark)
    browser.set("device", 1, event="change")
    assert browser.run("return document.documentElement.scrollWidth") <= width
    browser.check_quiet(page)
    assert browser.faults() == []


@needs_chromium
def test_a_choice_changes_all_that_depends_on_it(browser: Browser, page: Path, space: SearchSpace) -> None:
    browser.open(page)
    browser.run(
        "[...document.querySelectorAll('#starts button')].find(each => each.innerText === 'largest').click()"
    )
    largest = space.network(space.largest(), classes=10)
    text = "return document.getElementById('network').innerText"
    assert f"{largest.macs / 1e6:.2f} M" in browser.run(text)
    shown = "return [...document.querySelectorAll('#drawing text.r3')].map(each => +each.textContent)"
    assert browser.run(shown) == [block.out_shape.channels for block in largest.blocks]
    column = next(i for i, each in enumerate(space.dimensions) if each.name == "depth")
    browser.set(f"choice-{column}", 0, event="change")
    row = space.encode([space.largest()])[0]
    row[column] = 0
    [arch] = space.decode(space.canonical_rows(row[None]))
    shallower = space.network(arch, classes=10)
    assert f"{shallower.macs / 1e6:.2f} M" in browser.run(text)
    assert browser.run("return document.getElementById('copy-code').dataset.copy") == str(arch)
    command = f"nas cost space=mixed_32 network={arch}"
    assert browser.run("return document.getElementById('copy-command').dataset.copy") == command


@needs_chromium
def test_the_sliders_of_budget_and_phi(browser: Browser, page: Path, space: SearchSpace) -> None:
    browser.open(page)
    verdict = "return document.getElementById('verdict').innerText"
    browser.set("limit", 0)
    assert browser.run(verdict) == "Within the budget: 100 % of it."
    browser.run("explorer.set([...explorer.data.starts.find(each => each.name === 'largest').row])")
    assert "Over the budget by" in browser.run(verdict)
    browser.set("limit", 1000)
    assert browser.run(verdict) == "Within the budget: 100 % of it."
    browser.set("phi", 100)
    last = browser.run("return explorer.data.scalings.at(-1)")
    facts = browser.run("return document.getElementById('phi-facts').innerText")
    assert f"{last['macs'] / 1e6:.2f} M" in facts
    assert "lacks blocks" in facts  # a scaled network leaves the table


@pytest.mark.parametrize("name", ["tiny_24", "cell", "convnext", "efficientnet_lite"])
def test_its_tables_hold_every_block_of_the_space(name: str) -> None:
    space = SearchSpace.load(name)
    sizes = {"classes": 10, "input_channels": 3}
    geometry = Geometry.of(space, resolutions=space.resolutions, **sizes)
    assert set(geometry.blocks) == set(space.block_specs(**sizes))
    assert len(geometry.blocks) == len(set(geometry.blocks))


def test_a_space_with_very_many_blocks_keeps_some_of_its_resolutions(tmp_path: Path) -> None:
    space = SearchSpace.load("mixed")
    write_explorer(tmp_path / "mixed.html", [explored(space, estimates(space))])
    assert (tmp_path / "mixed.html").stat().st_size <= MOST_BYTES
    parsed = parse((tmp_path / "mixed.html").read_text(encoding="utf-8"))
    kept = parsed.data["explorer"]["geometry"]["inputs"]
    left_out = len(space.resolutions) - len(kept)
    assert (f"{left_out} of the space's resolutions are left out" in parsed.text) == (left_out > 0)


def test_without_a_device_there_is_nothing_to_show(tmp_path: Path, space: SearchSpace) -> None:
    with pytest.raises(UserError, match="needs a device"):
        write_explorer(tmp_path / "page.html", [explored(space)])


def test_the_additive_model_predicts_better_than_the_mean(run_dir: Path) -> None:
    space = SearchSpace.load("tiny_32")
    model = additive_model(run_dir, space)
    assert model is not None
    assert [len(amounts) for amounts in model["amounts"]] == [
        len(each.choices) + 1 for each in space.dimensions
    ]
    rows = space.sample_many(50, np.random.default_rng(1))
    predicted = [
        model["mean"] + sum(model["amounts"][i][position + 1] for i, position in enumerate(row))
        for row in rows
    ]
    macs = space.costs(rows, classes=10)["macs"]
    truth = 1 - 0.05 * np.sqrt(1e6 / macs)  # the fixture's accuracy, apart from its noise
    assert np.corrcoef(predicted, truth)[0, 1] > 0.5
    assert model["error"] < 0.02
    (run_dir / "search" / "winner.json").unlink()
    assert additive_model(run_dir, space) is None


@needs_chromium
def test_a_page_of_several_spaces_switches_between_them(
    browser: Browser, space: SearchSpace, tmp_path: Path
) -> None:
    other = SearchSpace.load("tiny_32")
    spaces = [explored(each, estimates(each), classes=10) for each in (space, other)]
    write_explorer(tmp_path / "page.html", spaces)
    browser.open(tmp_path / "page.html")
    names = browser.run("return [...document.getElementById('space').options].map(each => each.text)")
    assert names == ["mixed_32", "tiny_32"]
    browser.set("phi", 0)
    browser.set("space", 1, event="change")
    assert browser.run("return document.getElementById('title').textContent") == "Explore tiny_32"
    assert f"{other.size:,}" in browser.run("return document.getElementById('size').textContent")
    arch = other.sample(np.random.default_rng(3))
    found = browser.run("return explorer.evaluate(arguments[0])", other.encode([arch])[0].tolist())
    network = other.network(arch, classes=10)
    assert (found["macs"], found["params"], found["code"]) == (
        network.macs,
        network.params,
        str(other.canonical(arch)),
    )
    starts = browser.run(
        "return [...document.querySelectorAll('#starts button')].map(each => each.textContent)"
    )
    assert starts == ["smallest", "largest", "random"]
    largest = browser.driver.find_elements("css selector", "#starts button")[1]
    largest.click()
    shown = browser.run("return document.getElementById('code').textContent")
    assert shown == str(other.canonical(other.largest()))
    drawn = browser.run("return document.querySelectorAll('#drawing .net-column').length")
    assert drawn == len(other.network(other.largest(), classes=10).blocks)
    browser.set("space", 0, event="change")
    assert browser.run("return document.getElementById('title').textContent") == "Explore mixed_32"
    browser.check_quiet(tmp_path / "page.html")


def test_pages_of_many_spaces_stay_small(tmp_path: Path) -> None:
    spaces = [SearchSpace.load(name) for name in ("mixed", "mobilenet_v2")]
    path = tmp_path / "page.html"
    write_explorer(path, [explored(each, estimates(each)) for each in spaces])
    assert path.stat().st_size <= MOST_BYTES
