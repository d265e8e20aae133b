"""Whether a table speaks of the device and the space that it is asked about."""

import dataclasses

import numpy as np
import pytest

from nas.errors import UserError
from nas.hardware import Device, describe_machine, installed_version
from nas.latency.compatible import differences, require_fit, warnings
from nas.latency.estimate.whole_networks import fit_networks

ASKED = Device(name="board")


@pytest.fixture
def table(made_up_table):
    device = dataclasses.replace(ASKED, machine="Pi 5, 4 cores", runtime_version="1.20.0")
    return dataclasses.replace(made_up_table, device=device)


def test_what_the_device_leaves_open_fits(table):
    require_fit(table, device=ASKED, space="tiny_32")
    require_fit(table, device=dataclasses.replace(ASKED, name="other", peak_flops={"fp32": 1.0}), space="x")
    assert list(warnings(table, ASKED)) == []


@pytest.mark.parametrize(
    ("field", "value", "has"),
    [
        ("runtime", "torch", "onnxruntime"),
        ("provider", "", "CPUExecutionProvider"),
        ("provider_options", {"arena": 1}, "none"),
        ("threads", 4, "1"),
        ("batch", 64, "1"),
        ("precision", "int8", "fp32"),
    ],
)
def test_what_decides_a_latency_has_to_fit(table, field, value, has):
    asked = dataclasses.replace(ASKED, **{field: value})
    expected = (
        f"the latency table made_up was measured with {field} {has}, but device=board asks for "
        f"{field} {value or 'none'}; take a table that was measured so, or set device to what the table holds"
    )
    assert differences(table, asked) == expected
    with pytest.raises(UserError) as caught:
        require_fit(table, device=asked, space="tiny_32")
    assert str(caught.value) == expected


def test_another_machine_or_version_is_a_warning(table):
    asked = dataclasses.replace(ASKED, machine="Pi 4", runtime_version="1.19")
    machine, version = warnings(table, asked)
    assert machine == "the latency table made_up is of Pi 5, 4 cores, not of Pi 4"
    assert version.startswith(
        "the latency table made_up was measured with onnxruntime 1.20.0, not with 1.19;"
    )
    assert list(warnings(table, dataclasses.replace(ASKED, runtime_version="1.20"))) == []


def test_an_emulated_machine_is_a_warning(table):
    emulated = dataclasses.replace(table.device, machine="ARMv8, 4 cores, aarch64, emulated")
    [warning] = warnings(dataclasses.replace(table, device=emulated), ASKED)
    assert warning == (
        "the latency table made_up was measured on an emulated processor (ARMv8, 4 cores, aarch64, emulated)"
        ": its latencies are the emulator's; measure on the device itself"
    )


def test_on_the_device_itself_the_installed_version_counts(table):
    here = dataclasses.replace(table.device, machine=describe_machine())
    [warning] = warnings(dataclasses.replace(table, device=here), ASKED)
    assert f"with onnxruntime 1.20.0, not with {installed_version('onnxruntime')}" in warning
    fresh = dataclasses.replace(here, runtime_version=installed_version("onnxruntime"))
    assert list(warnings(dataclasses.replace(table, device=fresh), ASKED)) == []
    gone = dataclasses.replace(here, runtime="abacus", runtime_version="1")
    assert list(warnings(dataclasses.replace(table, device=gone), ASKED)) == []


def test_a_table_fitted_on_another_space_is_refused(table, tiny_space, tmp_path):
    archs = tiny_space.decode(np.unique(tiny_space.sample_many(20, np.random.default_rng(0)), axis=0))
    rows = [f"{arch},{table.predict(tiny_space.network(arch, classes=10))}" for arch in archs]
    (tmp_path / "n.csv").write_text("\n".join(["architecture,latency_ms", *rows]))
    fitted = fit_networks(tiny_space, tmp_path / "n.csv", device=ASKED, classes=10)
    require_fit(fitted, device=ASKED, space="tiny_32")
    with pytest.raises(
        UserError, match="was fitted on whole networks of the space 'tiny_32', and knows nothing"
    ):
        require_fit(fitted, device=ASKED, space="ofa_mobilenet_v3")
