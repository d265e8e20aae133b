"""Small spaces of single block kinds, and networks that they hold."""

from __future__ import annotations

from typing import Any

from nas.network import NetworkSpec
from nas.space import Architecture, SearchSpace
from nas.space.reading import read_space

KINDS: dict[str, dict[str, Any]] = {
    "inverted_residual": {
        "squeeze": 0.25,
        "activation": "hard_swish",
        "each_block": {"kernel": [3, 5], "expand": [3, 6]},
    },
    "fused_inverted_residual": {"each_block": {"kernel": [3, 5], "expand": [2, 4]}},
    "universal_inverted_bottleneck": {
        "each_block": {"start_kernel": [3, 5], "middle_kernel": [3, 5], "expand": [2, 4]}
    },
    "residual_bottleneck": {"each_block": {"expand": [0.25, 0.5]}},
    "residual_basic": {"each_block": {"kernel": [3, 5]}},
    "convnext": {"each_block": {"kernel": [3, 7], "expand": [2, 4]}},
}
"""Fields of a stage by block kind."""


def small_space(kind: str, **changes: Any) -> SearchSpace:
    """A space of two stages of one kind."""
    stage = {"kind": kind, "depth": [1, 2, 3], **KINDS[kind]}
    value = {
        "source": "a test",
        "resolution": [17, 33],
        "stem": [{"kind": "conv", "width": 16, "stride": 2, "activation": "relu"}],
        "stages": [{**stage, "width": 16}, {**stage, "width": 32, "stride": 2}],
        "head": [{"kind": "conv", "width": 64, "kernel": 1, "activation": "relu"}, {"kind": "pool"}],
        **changes,
    }
    return SearchSpace(**read_space(value, name=f"small_{kind}"))


def middle_network(space: SearchSpace, *, depth: int = 2, classes: int = 10) -> NetworkSpec:
    """The network with the first choice everywhere, of a fixed depth."""
    largest = space.largest().to_dict()
    for number, stage in enumerate(largest["stages"]):
        stage["depth"] = depth
        for name, values in stage.items():
            if isinstance(values, list):
                stage[name] = [space.stages[number].choices(name)[0]] * depth
    return space.network(Architecture.from_dict(largest), classes=classes)
