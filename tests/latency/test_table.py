"""Look-ups in a table, and its file."""

import json
import time

import numpy as np
import pytest

from nas.errors import UserError
from nas.hardware import Device
from nas.latency import Accuracy, BlockCost, BlockModel, Correction, Figures, LatencyTable, Record


def test_a_prediction_is_the_corrected_sum(tiny_space, made_up_table, rng):
    network = tiny_space.network(tiny_space.sample(rng), classes=10)
    by_hand = 0.01
    for block in network.blocks:
        weights = sum(op.weight_elements for op in block.ops)
        by_hand += 1.1 * made_up_table.costs[block.key].ms + 1e-4 * len(block.ops) + 5e-8 * weights
    assert made_up_table.predict(network) == pytest.approx(by_hand)


def test_many_predictions_equal_one_by_one(tiny_space, made_up_table, rng):
    rows = tiny_space.sample_many(200, rng)
    many = made_up_table.predict_many(tiny_space, rows, classes=10)
    one = [made_up_table.predict(tiny_space.network(arch, classes=10)) for arch in tiny_space.decode(rows)]
    assert many.shape == (200,)
    np.testing.assert_allclose(many, one, rtol=1e-12)


def test_a_hundred_thousand_predictions_take_at_most_a_second(tiny_space, made_up_table, rng):
    rows = tiny_space.sample_many(100_000, rng)
    took = []
    for _ in range(3):
        start = time.perf_counter()
        made_up_table.predict_many(tiny_space, rows, classes=10)
        took.append(time.perf_counter() - start)
    assert min(took) < 1


def test_missing_blocks_are_listed_with_the_command_that_measures_them(tiny_space, made_up_table):
    network = tiny_space.network(tiny_space.smallest(), classes=11)
    (classifier,) = made_up_table.missing(network)
    assert "out_channels=11" in classifier.key
    with pytest.raises(UserError) as caught:
        made_up_table.predict(network)
    message = str(caught.value)
    assert f"lacks 1 block of this network:\n  {classifier.key}\n" in message
    assert "nas table device=toy space=tiny_32" in message
    with pytest.raises(UserError, match="and 2 more"):
        LatencyTable(name="empty", device=Device(name="toy"), model=BlockModel({})).predict_blocks(
            network.blocks[:7]
        )


def test_missing_blocks_among_many_architectures_are_an_error(tiny_space, made_up_table, rng):
    with pytest.raises(UserError, match="out_channels=11"):
        made_up_table.predict_many(tiny_space, tiny_space.sample_many(5, rng), classes=11)


def test_a_table_is_extended_by_a_new_value(tiny_space, made_up_table):
    network = tiny_space.network(tiny_space.smallest(), classes=11)
    costs = {block.key: BlockCost(1.0, estimated=True) for block in made_up_table.missing(network)}
    more = made_up_table.with_blocks(costs)
    assert more.predict(network) > 1.1
    assert more.is_estimate(network)
    assert made_up_table.missing(network) and not more.missing(network)
    assert not more.is_estimate(tiny_space.network(tiny_space.smallest(), classes=10))


@pytest.fixture
def full(made_up_table):
    figures = Figures(0.01, 0.9, 1.0, 0.99, 0.95, None)
    keys = tuple(made_up_table.costs)[:3]
    return LatencyTable(
        name="full",
        device=Device(name="toy", peak_flops={"fp32": 1e9}),
        model=BlockModel(made_up_table.costs, Correction(0.1, {"cost": 1.5}, networks=4, noise=0.1)),
        accuracy=Accuracy(5, figures, figures, figures, figures),
        probes=(
            Record("probe", keys, 1.0, 0.1, 3, (0.9, 1.0, 1.1), (keys[1],), "c"),
            Record("validation", keys, 2.0, 0, 1),
        ),
        protocol={"samples": 10},
        references_ms={"reference-compute": 0.15},
        provenance={"measured": "2025-01-01"},
    )


def test_a_saved_table_is_loaded_equal(full, tmp_path):
    full.save(tmp_path / "full.json")
    assert LatencyTable.load(tmp_path / "full.json") == full


def test_an_unknown_error_stays_unknown(made_up_table, tmp_path):
    made_up_table.save(tmp_path / "t.json")
    assert json.loads((tmp_path / "t.json").read_text())["table"]["accuracy"] == "unknown"
    assert LatencyTable.load(tmp_path / "t.json").accuracy is None


def test_a_table_is_found_by_its_name_in_the_users_folder(full, tmp_path, monkeypatch):
    full.save(tmp_path / "latency_tables" / "mine.json")
    monkeypatch.chdir(tmp_path)
    assert LatencyTable.load("mine") == full
    with pytest.raises(UserError, match=r"unknown latency table 'mime'; did you mean mine\?"):
        LatencyTable.load("mime")
    with pytest.raises(UserError, match=r"latency table file nowhere\.json does not exist"):
        LatencyTable.load("nowhere.json")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[: len(text) // 2], "is not valid JSON .* cut off"),
        (lambda text: text.replace('"samples": 10', '"samples": 11'), "was changed after it was written"),
        (
            lambda text: text.replace('"schema": 2', '"schema": 7'),
            "has schema version 7, this program reads 2",
        ),
        (lambda text: '{"a": 1}', "is not a latency table"),
        (lambda text: "[]", "is not a latency table"),
    ],
)
def test_a_damaged_file_is_a_user_error(full, tmp_path, damage, message):
    path = tmp_path / "t.json"
    full.save(path)
    path.write_text(damage(path.read_text()))
    with pytest.raises(UserError, match=message):
        LatencyTable.load(path)


def test_a_table_whose_content_does_not_fit_is_a_user_error(tmp_path):
    from nas.latency.storage import write_table

    write_table(tmp_path / "t.json", {"name": "x"})
    with pytest.raises(UserError, match="is not a latency table of this version"):
        LatencyTable.load(tmp_path / "t.json")
