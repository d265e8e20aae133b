"""A space draws, encodes, changes and checks architectures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from nas.errors import UserError
from nas.space import ABSENT, Architecture, SearchSpace

SPACE: dict[str, Any] = {
    "resolution": [16, 32],
    "stem": [{"kind": "conv", "width": 8, "stride": 2}],
    "stages": [
        {
            "kind": ["depthwise_separable", "inverted_residual"],
            "depth": [1, 2],
            "width": [16, 24],
            "stride": 2,
            "activation": "relu",
            "each_block": {"kernel": [3, 5], "expand": [3, 6]},
        },
        {"kind": "conv", "depth": [1, 2, 3], "width": 32, "stride": 1},
    ],
    "head": [{"kind": "pool"}],
}


def load(tmp_path: Path, change: dict[str, Any] | None = None) -> SearchSpace:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({**SPACE, **(change or {})}), encoding="utf-8")
    return SearchSpace.load(path)


def stage(**change: Any) -> dict[str, Any]:
    first = {**SPACE["stages"][0], **change}
    return {"stages": [{k: v for k, v in first.items() if v is not None}]}


@pytest.fixture
def space(tmp_path: Path) -> SearchSpace:
    return load(tmp_path)


def test_the_size_is_that_of_a_list(space: SearchSpace) -> None:
    sizes = [len(dimension.choices) for dimension in space.dimensions]
    rows = space.canonical_rows(np.ascontiguousarray(np.indices(sizes).reshape(len(sizes), -1).T))
    distinct = {space.network(arch) for arch in space.decode(np.unique(rows, axis=0))}
    # 2 resolutions × (2 widths × (2 + 4) + 2 widths × (4 + 16)) × 3 depths
    assert space.size == len(distinct) == 2 * (12 + 40) * 3


def test_codes_rows_and_json_all_go_both_ways(space: SearchSpace) -> None:
    rows = space.sample_many(200, np.random.default_rng(0))
    archs = space.decode(rows)
    assert np.array_equal(space.encode(archs), rows)
    for arch in archs:
        assert space.parse(str(arch)) == arch == Architecture.from_dict(arch.to_dict())
        assert not set(str(arch)) & set(",={} ")


def test_what_nothing_reads_is_dropped(space: SearchSpace) -> None:
    value = {
        "resolution": 16,
        "stages": [
            {"kind": "depthwise_separable", "depth": 1, "width": 16, "kernel": [3, 5], "expand": [3, 6]},
            {"depth": 1},
        ],
    }
    arch = space.canonical(Architecture.from_dict(value))
    assert arch.to_dict()["stages"][0] == {
        "depth": 1,
        "kernel": [3],
        "kind": "depthwise_separable",
        "width": 16,
    }
    assert (space.encode([arch]) == ABSENT).any()


def test_only_the_first_block_of_a_stage_has_the_stride(space: SearchSpace) -> None:
    network = space.network(space.largest())
    assert [block.stride for block in network.stages[0]] == [2, 1]  # type: ignore[attr-defined]


def test_mutation_and_crossover_stay_in_the_space(space: SearchSpace) -> None:
    rng = np.random.default_rng(0)
    a, b = space.sample(rng), space.sample(rng)
    assert space.mutate(a, rng, probability=0) == a
    children = [space.crossover(a, b, rng) for _ in range(20)] + [
        space.mutate(a, rng, probability=0.5) for _ in range(20)
    ]
    assert all(space.canonical(child) == child for child in children)
    for child in children[:20]:
        pairs = zip(child.stages, a.stages, b.stages, strict=True)
        assert all(own in (first, second) for own, first, second in pairs)


def test_samples_depend_on_the_generator_only(space: SearchSpace) -> None:
    rows = [space.sample_many(50, np.random.default_rng(7)) for _ in range(2)]
    assert np.array_equal(*rows)
    assert len(np.unique(rows[0], axis=0)) > 20


def test_classes_and_channels_are_the_caller_s(space: SearchSpace) -> None:
    network = space.network(space.smallest(), classes=3, input_channels=1)
    assert (network.classes, network.input_channels) == (3, 1)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("r16-d3:k3+3+3:@conv:w16-d1", "cannot be read"),
        (
            "r20-kind@depthwise_separable:d1:k3+:w16-d1",
            "resolution is 20, which mine does not offer; allowed: 16, 32",
        ),
        (
            "r16-kind@depthwise_separable:d1:k7+:w16-d1",
            "stage 0 block 0 kernel is 7, which mine does not offer; allowed: 3, 5",
        ),
        (
            "r16-kind@inverted_residual:d1:k3+:w16-d1",
            "the architecture lacks stage 0 block 0 expand; allowed: 3, 6",
        ),
        (
            "r16-kind@depthwise_separable:d1:k3+:w16:s2-d1",
            "stage 0: 's' is not a free choice of mine; free there: depth",
        ),
        ("r16-d1", "the architecture has 1 stages; mine has 2"),
    ],
)
def test_an_architecture_that_does_not_belong(space: SearchSpace, code: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        space.parse(code)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stage": []}, "mine.yaml: unknown key of a search space 'stage'; did you mean stages"),
        ({"resolution": []}, "resolution is an empty list"),
        ({"resolution": [16, 16]}, "resolution offers the same choice twice"),
        ({"resolution": [-1]}, "resolutions are whole and positive"),
        ({"resolution": {"from": 16, "to": 32}}, "a range needs 'from', 'to' and 'step'"),
        ({"stages": []}, "'stages' must be a list of at least one stage"),
        ({"size": "large"}, "'size' is 'large'; it is the number of networks, or left out"),
        ({"rounding": {"divisors": 4}}, "unknown key of rounding 'divisors'; did you mean divisor"),
        (
            stage(kind="inverted_residal"),
            "unknown block kind 'inverted_residal'; did you mean inverted_residual",
        ),
        (stage(kind=None), "stage 0 has no 'kind'"),
        (stage(activation="swish"), "stage 0 block 0: activation.*'swish'; did you mean hard_swish"),
        (stage(depth=[0, 1]), "depths are whole numbers from 1 to 1000"),
        (stage(kernel=[3]), r"stage 0: \['kernel'\] stand both in the stage and under each_block"),
        (stage(widths=8), "stage 0: nothing reads 'widths'"),
        (stage(width=[16, "x"]), "stage 0 block 0: width is 'x'; it must be of type float"),
        ({"resolution": [2]}, "mine.yaml: stage 0 block 0: stride 2 on an image of one pixel"),
        (
            {"resolution": [2], **stage(stride=None, each_block={"stride": [1, 2], "expand": 3})},
            "mine.yaml: stage 0 block 0: stride 2 on an image of one pixel",
        ),
        ({"head": []}, "mine.yaml: classifier: a fully connected layer gets 4×4 pixels"),
    ],
)
def test_a_file_with_a_fault_says_where(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        load(tmp_path, change)


def test_a_file_that_is_no_yaml(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("stages: [", encoding="utf-8")
    with pytest.raises(UserError, match=r"mine.yaml is not valid YAML: line \d+: .*$"):
        SearchSpace.load(path)


def test_a_space_that_does_not_exist_gives_the_nearest() -> None:
    with pytest.raises(UserError, match="unknown search space 'mobilnet_v2'; did you mean mobilenet_v2"):
        SearchSpace.load("mobilnet_v2")


def test_a_space_of_one_s_own_in_one_s_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "search_spaces").mkdir()
    (tmp_path / "search_spaces" / "own.yaml").write_text(yaml.safe_dump(SPACE), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert SearchSpace.load("own").name == "own"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 7}, "size is stated as 7, but there are 312 networks; correct the file's 'size'"),
        (
            stage(each_block={"kernel": [3, 5], "expand": [3, 3.1]}),
            "stage 0 block 0: expand 3 and 3.1 give the same block of kind inverted_residual for 8 channels",
        ),
        (
            stage(width=[16, 17], kind="depthwise_separable", each_block={"kernel": [3, 5]}),
            "stage 0 block 0: width 16 and 17 give the same block of kind depthwise_separable",
        ),
        (
            {"resolution": 16, **stage(each_block={"kernel": [3, 5, 9], "expand": [3, 6]})},
            "stage 0 block 0: a kernel of 9 is larger than the feature map of 8×8 pixels at resolution 16",
        ),
        (
            {"resolution": [8, 64], **stage(each_block={"kernel": [3, 5], "expand": [3, 6]})},
            "stage 0 block 1: a kernel of 5 is larger than the feature map of 2×2 pixels at resolution 8",
        ),
    ],
)
def test_useless_choices_are_warned_about(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    warnings = load(tmp_path, change).warnings()
    assert any(warning.startswith(message) for warning in warnings), warnings


def test_a_kernel_is_warned_about_once_and_at_the_highest_resolution_too(tmp_path: Path) -> None:
    """Maps of 8 and 6 pixels: at 6 a kernel of 9 still reads pixels of the whole map."""
    change = {"resolution": [12, 16], **stage(depth=[2], each_block={"kernel": [3, 9], "expand": [3, 6]})}
    [warning] = load(tmp_path, change).warnings()
    assert "a kernel of 9 is larger than the feature map of 8×8 pixels at resolution 16" in warning


@pytest.mark.parametrize("modules", ["my_kinds", ["my_kinds", 5]])
def test_modules_are_a_list_of_names(tmp_path: Path, modules: object) -> None:
    with pytest.raises(UserError, match="it is a list of names of Python modules"):
        load(tmp_path, {"modules": modules})


def test_a_space_without_useless_choices_has_no_warnings(space: SearchSpace) -> None:
    assert space.warnings() == ()
