"""Counts that are kept for later searches."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas.errors import UserError
from nas.network import reference_network
from nas.scoring import EvaluationCache
from nas.statistics import Count


def test_counts_are_kept_by_weights_network_and_images(tmp_path: Path) -> None:
    path, network = tmp_path / "evaluations.jsonl", reference_network("mobilenet_v2")
    first, second = EvaluationCache(path, facts={"w": 1}), EvaluationCache(path, facts={"w": 1})
    assert second.get(network, 10) is None
    first.put(network, Count(7, 10))
    assert second.get(network, 10) == Count(7, 10)
    assert second.get(network, 20) is None
    assert second.get(reference_network("resnet18"), 10) is None
    assert EvaluationCache(path, facts={"w": 2}).get(network, 10) is None
    with path.open("a") as stream:
        stream.write("{cut")
    assert EvaluationCache(path, facts={"w": 1}).get(network, 10) == Count(7, 10)
    path.write_text("no json\n")
    with pytest.raises(UserError, match=r"is damaged .*; delete it"):
        EvaluationCache(path, facts={"w": 1}).get(network, 10)


def test_without_a_file_counts_are_kept_in_memory() -> None:
    cache, network = EvaluationCache(), reference_network("mobilenet_v2")
    cache.put(network, Count(7, 10))
    assert cache.get(network, 10) == Count(7, 10)
    assert cache.with_facts({"part": "seen"}).get(network, 10) is None
