"""Kits of a handful of models, quick to measure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nas.hardware import Device
from nas.latency.kit.kit import Kit, write_kit
from nas.latency.plan.probes import plan_probes
from nas.runner.protocol import Protocol
from tests.latency.targets.devices import Sshd, ssh_server

QUICK = Protocol(sample_ms=0.05, samples=2, min_rounds=2, max_rounds=2)


@pytest.fixture
def write_quick(small_space):
    """Writes a kit whose device is filled in where it is measured."""
    network = small_space.network(small_space.smallest(), classes=10)

    def write(folder: Path, *, protocol: Protocol = QUICK, **fields: object) -> Kit:
        return write_kit(
            folder,
            device=Device(name="board", **fields),
            probes=plan_probes(network.blocks[:2], input_channels=3),
            protocol=protocol,
            table={"name": "small-board", "space": "small"},
        )

    return write


@pytest.fixture
def kit(tmp_path, write_quick) -> Kit:
    return write_quick(tmp_path / "kit")


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Sshd]:
    with ssh_server(tmp_path_factory.mktemp("server")) as running:
        yield running
