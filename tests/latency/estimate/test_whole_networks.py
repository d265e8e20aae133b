"""Tables that are derived from whole networks."""

import dataclasses

import numpy as np
import pytest

from nas.errors import UserError
from nas.hardware import Device
from nas.latency import LatencyTable, NetworkModel, load_table
from nas.latency.estimate.networks_file import Measured
from nas.latency.estimate.whole_networks import FITTED, fit_measured, fit_networks
from nas.latency.models.accuracy import fit_line
from nas.network import reference_network

DEVICE = Device(name="phone", machine="a phone", runtime="unknown", provider="")


def true_ms(network) -> float:
    """A latency that no straight line through MACs gives, and no sum over blocks quite either."""
    ops = [op for block in network.blocks for op in block.ops]
    moved = sum(op.input_elements + op.out_shape.elements for op in ops)
    sums = 0.1 + 4e-3 * len(ops) + 2e-7 * network.macs + 6e-7 * moved
    return sums * (1 + 0.05 * np.sin(network.macs / 4e6))


def measured(space, count, seed, *, factor=1.0) -> Measured:
    rows = np.unique(space.sample_many(2 * count, np.random.default_rng(seed)), axis=0)[:count]
    latency = [factor * true_ms(space.network(arch, classes=10)) for arch in space.decode(rows)]
    return Measured(rows, np.array(latency))


@pytest.fixture(scope="module")
def write(tmp_path_factory, tiny_space):
    def to_csv(data: Measured) -> str:
        codes = map(str, tiny_space.decode(data.rows))
        lines = [f"{code},{ms:.6f}" for code, ms in zip(codes, data.latency_ms, strict=True)]
        path = tmp_path_factory.mktemp("csv") / "phone.csv"
        path.write_text("\n".join(["architecture,latency_ms", *lines]) + "\n", encoding="utf-8")
        return path

    return to_csv


@pytest.fixture(scope="module")
def table(tiny_space, write) -> LatencyTable:
    return fit_networks(tiny_space, write(measured(tiny_space, 24, 0)), device=DEVICE, classes=10)


def test_two_dozen_networks_predict_the_others_far_better_than_macs(tiny_space, table):
    unseen = measured(tiny_space, 120, 1)
    predicted = table.predict_many(tiny_space, unseen.rows, classes=10)
    assert np.abs(predicted / unseen.latency_ms - 1).mean() < 0.02
    assert table.accuracy.networks == 24
    assert table.accuracy.cross_validated
    assert table.accuracy.noise_floor is None
    assert table.accuracy.table.mape < 0.5 * table.accuracy.macs.mape


def test_its_cross_validated_error_is_honest(tiny_space, table):
    unseen = measured(tiny_space, 120, 1)
    predicted = table.predict_many(tiny_space, unseen.rows, classes=10)
    real = np.abs(predicted / unseen.latency_ms - 1).mean()
    assert real < 2.5 * table.accuracy.table.mape + 0.002
    records = [record for record in table.probes if record.role == "validation"]
    errors = [abs(record.predicted_ms / record.mean_ms - 1) for record in records]
    assert np.mean(errors) == pytest.approx(table.accuracy.table.mape, rel=1e-3)


def test_many_predictions_equal_one_by_one_and_survive_a_file(tiny_space, table, tmp_path):
    rows = tiny_space.sample_many(50, np.random.default_rng(2))
    networks = [tiny_space.network(arch, classes=10) for arch in tiny_space.decode(rows)]
    one = [table.predict(network) for network in networks]
    np.testing.assert_allclose(table.predict_many(tiny_space, rows, classes=10), one, rtol=1e-9)
    table.save(tmp_path / "phone.json")
    again = load_table(tmp_path / "phone.json")
    assert again == table
    assert [again.predict(network) for network in networks] == one


def test_it_claims_no_block_costs_and_lacks_no_block(tiny_space, table):
    network = tiny_space.network(tiny_space.largest(), classes=10)
    assert table.costs == {}
    assert table.model.parts(network.blocks) is None
    assert table.missing(network) == ()
    assert table.model.about() == "derived from 24 whole networks"


def test_what_is_unlike_everything_measured_is_an_estimate(tiny_space, table):
    network = tiny_space.network(tiny_space.sample(np.random.default_rng(3)), classes=10)
    far = reference_network("resnet50")
    assert not table.is_estimate(network)
    assert table.is_estimate(far)
    assert table.predict(far) > 0
    assert table.model.deviation(network.blocks) < table.model.deviation(far.blocks)


def test_a_sibling_makes_half_a_dozen_networks_enough(tiny_space, table, write):
    few, unseen = measured(tiny_space, 6, 4, factor=2.5), measured(tiny_space, 120, 1, factor=2.5)
    found = fit_networks(tiny_space, write(few), device=DEVICE, sibling=table, classes=10)
    predicted = found.predict_many(tiny_space, unseen.rows, classes=10)
    assert np.abs(predicted / unseen.latency_ms - 1).mean() < 0.03
    assert found.model.about() == "derived from 6 whole networks and a similar device's table"
    assert found.provenance["sibling"] == table.name
    assert found.accuracy.uncorrected.mape < 0.05  # the sibling itself, scaled


def test_a_table_of_blocks_can_be_the_sibling(tiny_space, made_up_table, write, tmp_path):
    rows = measured(tiny_space, 8, 5).rows
    twice = 2 * made_up_table.predict_many(tiny_space, rows, classes=10)
    found = fit_networks(
        tiny_space, write(Measured(rows, twice)), device=DEVICE, sibling=made_up_table, classes=10
    )
    network = tiny_space.network(tiny_space.sample(np.random.default_rng(6)), classes=10)
    assert found.predict(network) == pytest.approx(2 * made_up_table.predict(network), rel=0.01)
    found.save(tmp_path / "t.json")
    assert load_table(tmp_path / "t.json").predict(network) == found.predict(network)
    assert found.missing(tiny_space.network(tiny_space.smallest(), classes=11))
    with pytest.raises(UserError, match="lacks"):
        fit_networks(tiny_space, write(Measured(rows, twice)), device=DEVICE, sibling=made_up_table)


def test_beyond_what_it_is_fitted_on_networks_judge_it(tiny_space):
    data = measured(tiny_space, FITTED + 40, 7)
    found = fit_measured(tiny_space, data, device=DEVICE, classes=10, provenance={})
    assert found.accuracy.networks == 40
    assert not found.accuracy.cross_validated
    roles = [record.role for record in found.probes]
    assert (roles.count("correction"), roles.count("validation")) == (FITTED, 40)
    assert isinstance(found.model, NetworkModel)
    assert len(found.model.measured_ms) == FITTED


def test_a_model_of_other_features_is_refused(table):
    value = {**table.model.to_dict({}), "columns": ["macs"]}
    with pytest.raises(UserError, match="rests on other features than this version counts; fit it again"):
        NetworkModel.from_dict(value, ())


def test_models_are_equal_by_value(table):
    same = NetworkModel.from_dict(table.model.to_dict({}), ())
    assert same == table.model
    assert hash(same) == hash(table.model)
    assert dataclasses.replace(same, mean=same.mean + 0.1) != table.model


def test_errors_are_relative_to_the_measurement(tiny_space, table):
    """MACs alone, by the line of least relative squares through all networks."""
    data = measured(tiny_space, 24, 0)
    macs = np.array([tiny_space.network(arch, classes=10).macs for arch in tiny_space.decode(data.rows)])
    errors = fit_line(macs, data.latency_ms)(macs) / data.latency_ms - 1
    assert table.accuracy.macs.mape == pytest.approx(np.abs(errors).mean(), rel=1e-4)


def test_a_table_s_error_is_relative_to_the_measurement(tiny_space):
    data = measured(tiny_space, FITTED + 20, 7)
    noise = np.random.default_rng(0).uniform(0.7, 1.3, len(data.rows))
    data = Measured(data.rows, data.latency_ms * noise)
    found = fit_measured(tiny_space, data, device=DEVICE, classes=10, provenance={})
    judged = [record for record in found.probes if record.role == "validation"]
    errors = [abs(record.predicted_ms / record.mean_ms - 1) for record in judged]
    assert found.accuracy.table.mape == pytest.approx(np.mean(errors), rel=1e-3)
