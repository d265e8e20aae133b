"""Objectives of the user's own."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from nas.errors import UserError
from nas.network import NetworkSpec
from nas.search import Objective
from nas.search.goals import registry


def depth(networks: Sequence[NetworkSpec]) -> Sequence[float]:
    return [len(network.blocks) for network in networks]


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry._OBJECTIVES, "_items", {})
    monkeypatch.setattr(registry._OBJECTIVES, "_origins", {})


def test_a_registered_objective_gets_the_bound_of_the_run() -> None:
    registry.register(Objective("depth", "minimize", depth, bound=9))
    assert registry.objective_names()[-1] == "depth"
    assert registry.registered({})["depth"].bound == 9
    assert registry.registered({"depth": 5})["depth"].bound == 5


def test_the_name_of_another_objective_is_refused() -> None:
    with pytest.raises(UserError, match="'latency' is an objective of hwnas"):
        registry.register(Objective("latency", "minimize", depth))
    registry.register(Objective("depth", "minimize", depth))
    with pytest.raises(UserError, match="two implementations of objective are called 'depth'"):
        registry.register(Objective("depth", "minimize", lambda networks: [0.0 for _ in networks]))
