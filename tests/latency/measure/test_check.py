"""A table is checked with a few whole networks."""

import numpy as np
import pytest

from nas.blocks import parse_key
from nas.errors import UserError
from nas.hardware import Device
from nas.latency import LatencyTable
from nas.latency.costs.windows import Latency
from nas.latency.measure.check import CHECKED, Check, check_table, judge
from nas.latency.plan.entries import KitNetwork
from nas.space import SearchSpace
from nas.space.stratified import stratified

NOISE = np.array([0.98, 1.03, 1.0, 0.96, 1.01, 1.02])


def exactly(ms: float) -> Latency:
    return Latency(value_ms=ms, rounds_ms=(ms,) * 4, std_ms=0.0, halves_ms=(ms, ms))


def checked(space: SearchSpace, table: LatencyTable, *, factor: float) -> Check:
    """The check of a device on which networks take ``factor`` as long, with a known noise."""
    archs = stratified(space, len(NOISE), np.random.default_rng(0))
    sample = [
        KitNetwork(f"network-{i}", "validation", space.network(arch, classes=10))
        for i, arch in enumerate(archs)
    ]
    latencies = [
        factor * noise * table.predict(each.network) for each, noise in zip(sample, NOISE, strict=True)
    ]
    return judge(table, sample, [exactly(ms) for ms in latencies])


def test_a_table_that_is_off_by_a_factor_is_corrected(tiny_space, made_up_table):
    check = checked(tiny_space, made_up_table, factor=1.5)
    mean = np.exp(np.log(NOISE).mean())
    assert check.ratio == pytest.approx(1.5 * mean)
    assert 1.4 < check.low < check.ratio < check.high < 1.6
    assert check.before.mape == pytest.approx(np.abs(1 / (1.5 * NOISE) - 1).mean())
    assert (check.fits, check.is_correctable) == (False, True)
    network = tiny_space.network(tiny_space.largest(), classes=10)
    assert check.table.predict(network) == pytest.approx(1.5 * made_up_table.predict(network), rel=0.08)


def test_its_error_is_that_of_networks_which_did_not_correct_it(tiny_space, made_up_table):
    check = checked(tiny_space, made_up_table, factor=1.5)
    assert check.table.accuracy.table == check.after
    assert check.table.accuracy.uncorrected == check.before
    predicted = np.array([record.predicted_ms for record in check.table.probes])
    measured = np.array([record.mean_ms for record in check.table.probes])
    assert check.after.mape == pytest.approx(np.abs(predicted / measured - 1).mean(), rel=1e-3)
    seen = [check.table.predict_blocks(map(parse_key, record.blocks)) for record in check.table.probes]
    assert np.abs(seen / measured - 1).mean() < check.after.mape  # which a fitted network would look like


def test_what_one_factor_does_not_correct_is_corrected_too(tiny_space, made_up_table):
    """On the other device, each operation takes 2 µs longer."""

    def measured_ms(network):
        return made_up_table.predict(network) + 2e-3 * sum(len(block.ops) for block in network.blocks)

    archs = stratified(tiny_space, 24, np.random.default_rng(0))
    networks = [tiny_space.network(arch, classes=10) for arch in archs]
    sample = [KitNetwork(f"network-{i}", "validation", each) for i, each in enumerate(networks[:12])]
    latencies = [exactly(measured_ms(each.network)) for each in sample]
    check = judge(made_up_table, sample, latencies)
    errors = [check.table.predict(each) / measured_ms(each) - 1 for each in networks[12:]]
    factors = [check.ratio * made_up_table.predict(each) / measured_ms(each) - 1 for each in networks[12:]]
    assert np.abs(errors).mean() < 0.3 * np.abs(factors).mean()


def test_a_table_that_is_right_fits(tiny_space, made_up_table):
    assert checked(tiny_space, made_up_table, factor=1.0).fits


def test_the_networks_are_measured_here(small_space, measured_table, tmp_path):
    check = check_table(
        measured_table, small_space, device=Device(name="local"), folder=tmp_path, networks=5, budget_s=3
    )
    assert 0.3 < check.ratio < 3
    table = check.table
    assert table.device == Device(name="local").here()
    assert table.protocol == measured_table.protocol  # so later blocks take turns too
    assert table.provenance[CHECKED] == measured_table.name
    assert table.accuracy.cross_validated and table.accuracy.networks == len(table.probes) == 5
    assert set(table.references_ms) == set(measured_table.references_ms)
    table.save(tmp_path / "t.json")
    assert LatencyTable.load(tmp_path / "t.json") == table


def test_a_table_of_another_space_is_refused(measured_table, tmp_path):
    with pytest.raises(UserError, match=r"lacks blocks of the space tiny_32 with 10 classes and 3 input"):
        check_table(measured_table, SearchSpace.load("tiny_32"), device=Device(name="local"), folder=tmp_path)
    assert not list(tmp_path.iterdir())
