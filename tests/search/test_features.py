"""What accuracy predictors see."""

from __future__ import annotations

import numpy as np
import pytest

from nas.search import Problem
from nas.search.predictors.features import Features
from nas.space import SearchSpace
from tests.search.problems import CLASSES, rng, tiny


@pytest.mark.parametrize("name", ["tiny_32", "ofa_mobilenet_v3"])
def test_features_of_many_are_those_of_each_and_tell_networks_apart(name: str) -> None:
    space = SearchSpace.load(name)
    rows = np.unique(space.sample_many(50, rng()), axis=0)
    features = Features(Problem(space, CLASSES))
    values = features(rows)
    assert np.isfinite(values).all()
    assert values == pytest.approx(np.concatenate([features(row[None]) for row in rows]))
    assert len(np.unique(values, axis=0)) == len(rows)


def test_costs_are_those_of_the_networks() -> None:
    space = tiny()
    problem = Problem(space, CLASSES)
    rows = space.sample_many(5, rng())
    networks = [candidate.network for candidate in problem.candidates(rows)]
    values = np.expm1(Features(problem)(rows))
    for name in ("macs", "params"):
        expected = [getattr(network, name) for network in networks]
        assert (np.abs(values / np.array(expected)[:, None] - 1) < 1e-9).any(axis=1).all(), name


def test_choices_are_numbers_zero_where_nothing_reads_them_and_sums_of_stages(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "words.yaml"
    path.write_text(
        "name: words\nresolution: [16, 24]\nstem: [{kind: conv, width: 8, stride: 2}]\n"
        "stages: [{kind: inverted_residual, depth: [1, 2], width: 8, activation: [relu, hard_swish],\n"
        "          each_block: {kernel: [3, 5]}}]\nhead: [{kind: pool}]\n"
    )
    space = SearchSpace.load(path)
    names = [str(d) for d in space.dimensions]
    arch = space.parse(str(space.smallest()))
    values = Features(Problem(space))(space.encode([arch]))[0]
    columns = [name for name in names for _ in range(2 if name.endswith("activation") else 1)]
    found = dict(zip(columns, values, strict=False))
    assert found["resolution"] == 16
    assert found["stage 0 depth"] == 1
    assert found["stage 0 block 0 kernel"] == 3
    assert found["stage 0 block 1 kernel"] == 0
    word = columns.index("stage 0 activation")
    assert values[word : word + 2].tolist() == [1, 0]
    assert values[len(columns)] == 3  # the sum of the stage's kernels
    deeper = space.encode([space.largest()])
    assert Features(Problem(space))(deeper)[0][len(columns)] == 10
