"""Inputs guided by coverage reach what random changes do not; the parsers take them without a fault."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.fuzz import files, texts, values
from tests.fuzz.faults import fault
from tests.fuzz.guided import guided
from tests.fuzz.parsers import Maker
from tests.fuzz.planted import nested

pytest.importorskip("atheris", reason="needs atheris (Linux on x86-64): pip install atheris")

INPUTS = 40_000
"""Enough for the planted fault."""

SLOW = {texts.spaces_as_yaml, texts.overrides, files.weights, files.pickled_tensors, files.onnx_models}
"""Fewer than 100 inputs a second."""

MAKERS = [maker for module in (texts, values, files) for maker in module.MAKERS if maker not in SLOW]


def test_guided_inputs_find_a_fault_that_random_ones_do_not(tmp_path: Path) -> None:
    parser, rng = nested(tmp_path), random.Random(0)
    assert not any(fault(parser, parser.change(rng, rng.choice(parser.valid))) for _ in range(INPUTS))
    outcome = guided("planted.nested", inputs=INPUTS)
    assert outcome.inputs == INPUTS
    assert [each.partition(" for ")[0] for each in outcome.faults] == ["ValueError: planted"]


def test_guided_block_keys() -> None:
    outcome = guided("texts.block_keys", inputs=2000)
    assert not outcome.faults, outcome
    assert outcome.coverage[0] < outcome.coverage[1]


def test_a_process_that_fails_is_a_fault() -> None:
    [found] = guided("planted.missing", inputs=1).faults
    assert "ended with 1" in found and "no attribute 'missing'" in found


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.__name__)
def test_guided_for_longer(maker: Maker) -> None:
    name = f"{maker.__module__.rpartition('.')[2]}.{maker.__name__}"
    outcome = guided(name, seconds=12, seed=time.time_ns() % 2**31)
    print(f"{name}: {outcome}")
    assert not outcome.faults, outcome
