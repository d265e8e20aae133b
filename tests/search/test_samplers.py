"""The registry of samplers."""

from __future__ import annotations

import subprocess
import sys

import pytest

from nas.errors import UserError
from nas.search import make_sampler, sampler_names


def test_the_control_is_registered() -> None:
    assert {"nsga2", "random", "tpe"} <= set(sampler_names())


def test_an_unknown_sampler_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UserError, match="unknown sampler 'nsga-2'; did you mean nsga2"):
        make_sampler("nsga-2")


@pytest.mark.parametrize(("name", "option"), [("nsga2", "population"), ("tpe", "startup")])
@pytest.mark.parametrize("value", [0, 2.5, True, "many"])
def test_sizes_are_whole_numbers(name: str, option: str, value: object) -> None:
    with pytest.raises(UserError, match=f"{option} of sampler {name} is .*; it must be a whole number"):
        make_sampler(name, {option: value})


def test_importing_the_search_loads_no_torch() -> None:
    code = "import sys, nas.search, nas.scaling; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
