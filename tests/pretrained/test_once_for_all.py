"""Once-for-All's supernets; ``experiments/published_supernets`` recorded what their code computes."""

from __future__ import annotations

import dataclasses
import json
import re
import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nas.errors import UserError
from nas.nn import Supernet
from nas.pretrained import Store, find_start, imagenet
from nas.pretrained.sources.once_for_all import OnceForAll, OnceForAllStart, canonical, expected_shapes
from nas.pretrained.tensor_file import TensorFile
from nas.space import SearchSpace

ROOT = Path(__file__).resolve().parents[2]
RECORD = json.loads((Path(__file__).parent / "once_for_all.json").read_text(encoding="utf-8"))
SEEDED = runpy.run_path(str(ROOT / "experiments" / "published_supernets" / "seeded.py"))
NORM = ("weight", "bias", "running_mean", "running_var")
PUBLISHED = {facts["space"]: facts for facts in RECORD["supernets"].values()}

Shapes = dict[str, tuple[int, ...]]


def shapes(space: str) -> Shapes:
    """Names and shapes of a published file, as the authors' code writes it."""
    result = Shapes()
    for name, shape in PUBLISHED[space]["tensors"].items():
        if isinstance(shape, int):  # one entry for a BatchNorm
            result |= {f"{name}.{part}": (shape,) for part in NORM} | {f"{name}.num_batches_tracked": ()}
        else:
            result[name] = tuple(shape)
    return result


def seeded(names: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """The tensors that the authors' code ran with."""
    arrays: dict[str, np.ndarray] = SEEDED["seeded_tensors"](names, seed=RECORD["seed"])
    return {name: torch.from_numpy(value) for name, value in arrays.items()}


def empty(names: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    return {name: torch.empty(shape, device="meta") for name, shape in names.items()}


def start(tensors: Mapping[str, Tensor]) -> OnceForAllStart:
    read = OnceForAll().start(TensorFile(path=Path("ofa.pth"), sha256="0" * 64, tensors=tensors))
    assert isinstance(read, OnceForAllStart)
    return read


@pytest.mark.parametrize("name", PUBLISHED)
def test_outputs_are_those_of_the_authors_code(name: str) -> None:
    space, published = SearchSpace.load(name), start(seeded(shapes(name)))
    supernet = Supernet(space, classes=1000, kernel_transform=True).eval()
    inherited = published.apply(supernet, classes=published.classes)
    assert inherited.share == 1
    assert inherited.classifier
    assert inherited.names == {name for name, _ in supernet.named_parameters()}
    supernet.double()
    images = torch.from_numpy(SEEDED["seeded_images"](2, RECORD["resolution"], seed=RECORD["seed"])).double()
    for recorded in PUBLISHED[name]["networks"]:
        network = space.network(space.parse(recorded["code"]))
        with torch.no_grad():
            logits = supernet(images, network)[:, :4]
        expected = torch.tensor(recorded["logits"], dtype=torch.float64)
        assert (logits - expected).abs().max() < 1e-7 * expected.abs().max()


def older(name: str) -> str:
    """A name in the files that the authors published first."""
    name = re.sub(r"(blocks\.\d+)\.conv\.", r"\1.mobile_inverted_conv.", name)
    return re.sub(r"\b(conv|bn|linear)\.\1\.", r"\1.", name)


@pytest.mark.parametrize("name", PUBLISHED)
def test_older_names_are_the_same_tensors(name: str) -> None:
    names = {older(each): each for each in shapes(name)}
    assert len(names) == len(shapes(name))
    assert {canonical(each) for each in names} == {canonical(each) for each in names.values()}
    start(empty({each: shapes(name)[now] for each, now in names.items()})).check(SearchSpace.load(name))
    assert canonical("blocks.1.mobile_inverted_conv.depth_conv.bn.bn.weight") == canonical(
        "blocks.1.conv.depth_conv.bn.weight"
    )


def test_counts_of_batches_are_not_needed() -> None:
    names = {name: shape for name, shape in shapes("ofa_mobilenet_v3").items() if "num_batches" not in name}
    start(empty(names)).check(SearchSpace.load("ofa_mobilenet_v3"))


FIRST, MATRIX = "first_conv.conv.weight", "blocks.1.conv.depth_conv.conv.7to5_matrix"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({MATRIX: None}, r"blocks\.1\.conv\.depth_conv\.conv\.7to5_matrix is missing; it fits none of"),
        ({"blocks.21.bn.weight": (8,)}, r"blocks\.21\.bn\.weight has no place there; it fits none of"),
        ({FIRST: (16, 1, 3, 3)}, r"first_conv\.conv\.weight is 16×1×3×3, not 16×3×3×3; it fits none of"),
        ({MATRIX: ()}, r"7to5_matrix is a single number, not 25×25"),
    ],
)
def test_a_file_that_is_no_whole_supernet(change: dict[str, tuple[int, ...] | None], message: str) -> None:
    changed = {
        name: shape for name, shape in (shapes("ofa_mobilenet_v3") | change).items() if shape is not None
    }
    with pytest.raises(UserError, match=r"ofa\.pth holds no supernet of ofa_mobilenet_v3: .*" + message):
        start(empty(changed)).check(SearchSpace.load("ofa_mobilenet_v3"))


@pytest.mark.parametrize(
    ("file", "space"),
    [
        ("ofa_mobilenet_v3_w12", "ofa_mobilenet_v3"),
        ("ofa_mobilenet_v3", "ofa_proxyless_w13"),
        ("ofa_resnet50", "resnet50"),
        ("ofa_proxyless_w13", "tiny_32"),
    ],
)
def test_another_space_is_refused_with_the_one_that_fits(file: str, space: str) -> None:
    message = rf"ofa\.pth holds no supernet of {space}: .* (is|missing).*; set space={file}$"
    with pytest.raises(UserError, match=message):
        start(empty(shapes(file))).check(SearchSpace.load(space))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"norm_epsilon": 1e-3}, r"norm_epsilon is 0\.001, not 1e-05"),
        ({"activation": "relu"}, r"activation of stage 2 block 0 is relu, not hard_swish"),
    ],
)
def test_a_space_of_the_same_weights_that_computes_something_else(
    change: dict[str, Any], message: str
) -> None:
    space = SearchSpace.load("ofa_mobilenet_v3")
    if "activation" in change:
        stage = space.stages[2]
        other = dataclasses.replace(stage, shared={**stage.shared, "activation": (change["activation"],)})
        change = {"stages": (*space.stages[:2], other, *space.stages[3:])}
    with pytest.raises(UserError, match=f"{message}; set space=ofa_mobilenet_v3$"):
        start(empty(shapes("ofa_mobilenet_v3"))).check(dataclasses.replace(space, **change))


def test_a_space_may_have_fewer_choices() -> None:
    space = SearchSpace.load("ofa_mobilenet_v3")
    stage = dataclasses.replace(space.stages[0], depths=(4,))
    fewer = dataclasses.replace(space, name="mine", resolutions=(96,), stages=(stage, *space.stages[1:]))
    start(empty(shapes("ofa_mobilenet_v3"))).check(fewer)


def test_other_tensors_are_left_to_other_sources() -> None:
    for names in (
        {"features.0.0.weight": (8,)},
        {FIRST: (16, 3, 3, 3)},
        {"classifier.linear.weight": (9, 8)},
    ):
        assert OnceForAll().start(TensorFile(path=Path("x"), sha256="", tensors=empty(names))) is None


SMALL = dataclasses.replace(
    SearchSpace.load("ofa_mobilenet_v3"), name="small", stages=SearchSpace.load("ofa_mobilenet_v3").stages[:1]
)


@pytest.fixture(scope="module")
def small() -> tuple[Supernet, OnceForAllStart]:
    """A space with one of the stages, and a file of the authors' names for it."""
    supernet = Supernet(SMALL, classes=5, kernel_transform=True)
    return supernet, start(seeded(expected_shapes(supernet)))


def test_other_classes_get_a_new_classifier(small: tuple[Supernet, OnceForAllStart]) -> None:
    _, published = small
    assert published.classes == ("0", "1", "2", "3", "4")
    mine = Supernet(SMALL, classes=2, kernel_transform=True)
    before = {name: value.clone() for name, value in mine.state_dict().items()}
    inherited = published.apply(mine, classes=("cat", "dog"))
    assert not inherited.classifier
    assert 0 < inherited.share < 1
    fresh = {name for name, value in mine.state_dict().items() if torch.equal(value, before[name])}
    assert {name for name in fresh if "num_batches" not in name} == {
        "blocks.classifier_linear.linear.weight",
        "blocks.classifier_linear.linear.bias",
    }


def test_grey_images_get_the_sum_of_the_filters(small: tuple[Supernet, OnceForAllStart]) -> None:
    colour, published = small
    grey = Supernet(SMALL, classes=5, input_channels=1, kernel_transform=True).eval()
    published.apply(grey, classes=published.classes)
    published.apply(colour.eval(), classes=published.classes)
    network, x = SMALL.network(SMALL.smallest()), torch.rand(1, 1, 128, 128)
    assert torch.allclose(grey(x, network), colour(x.expand(-1, 3, -1, -1), network), rtol=1e-4, atol=1e-4)


def test_nothing_is_changed_by_weights_that_do_not_fit(small: tuple[Supernet, OnceForAllStart]) -> None:
    supernet = Supernet(SearchSpace.load("tiny_32"), classes=5)
    before = {name: value.clone() for name, value in supernet.state_dict().items()}
    with pytest.raises(UserError, match="holds no supernet of tiny_32"):
        small[1].apply(supernet, classes=small[1].classes)
    assert all(torch.equal(value, before[name]) for name, value in supernet.state_dict().items())


def test_it_is_read_from_a_file(small: tuple[Supernet, OnceForAllStart], tmp_path: Path) -> None:
    path = tmp_path / "ofa_net"  # the published files have no suffix
    torch.save({"state_dict": dict(small[1].file.tensors)}, path)
    read = find_start(str(path))
    assert isinstance(read, OnceForAllStart)
    assert read.origin.licence == "MIT"
    assert read.preprocessing == imagenet.PREPROCESSING
    read.check(SMALL)


def test_once_for_all_has_no_names() -> None:
    assert OnceForAll().names() == ()
    with pytest.raises(
        UserError, match=r"w12 is not a file; a supernet of Once-for-All is named by the path"
    ):
        OnceForAll().find("w12", store=Store())


def test_imagenet_has_two_sets_of_names(monkeypatch: pytest.MonkeyPatch) -> None:
    names = imagenet.class_names()
    assert (len(names), names[0], names[-1]) == (1000, "tench", "toilet tissue")
    folders = [f"n{number:08}" for number in range(1000)]
    assert not imagenet.same_classes(names, folders)
    digest: Any = imagenet.hashlib.sha256("\n".join(folders).encode()).hexdigest()
    monkeypatch.setattr(imagenet, "_FOLDERS", digest)
    assert imagenet.same_classes(names, folders)
    assert not imagenet.same_classes(names, folders[::-1])
    assert imagenet.same_classes(["cat", "dog"], ("cat", "dog"))
    assert not imagenet.same_classes(["cat", "dog"], ["dog", "cat"])
