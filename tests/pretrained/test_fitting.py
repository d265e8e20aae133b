"""A supernet that starts from a network: its largest subnet computes what the network does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nas.errors import UserError
from nas.network import NetworkSpec, reference_network
from nas.nn import StaticNetwork, Supernet
from nas.pretrained import Origin, Preprocessing, Pretrained
from nas.pretrained.holding import check_holds, misfit
from nas.pretrained.network_start import NetworkStart
from nas.space import SearchSpace
from tests.nn.randomising import randomise, tame
from tests.pretrained.conftest import distance
from tests.pretrained.spaces import KINDS, middle_network, small_space

CLASSES = tuple(f"class {number}" for number in range(10))


def start_from(network: NetworkSpec, *, classes: tuple[str, ...] = CLASSES) -> NetworkStart:
    """A start from a network with random weights that show in its outputs."""
    torch.manual_seed(0)
    model = StaticNetwork(network).eval()
    randomise(model)
    tame(model, torch.randn(8, network.input_channels, network.resolution, network.resolution))
    return NetworkStart.of(
        Pretrained(
            network=network,
            model=model,
            classes=classes,
            preprocessing=Preprocessing(mean=(0.5,) * 3, std=(0.25,) * 3, resolution=network.resolution),
            origin=Origin(name="mine", source="a test", licence="MIT", sha256="0"),
        )
    )


def outputs(supernet: Supernet, network: NetworkSpec, images: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return supernet.extract(network).eval()(images)


def images_for(space: SearchSpace, channels: int = 3) -> torch.Tensor:
    side = max(space.resolutions)
    return torch.randn(4, channels, side, side)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("transform", [False, True])
def test_the_largest_network_computes_the_same(kind: str, transform: bool) -> None:
    space = small_space(kind)
    start = start_from(middle_network(space))
    images = images_for(space)
    supernet = Supernet(space, classes=10, kernel_transform=transform).eval()
    inherited = start.apply(supernet, classes=CLASSES)
    with torch.no_grad():
        expected = start.pretrained.model(images)
    assert distance(expected[:1], expected[1:2]) > 0.01, "the outputs must differ between images"
    assert distance(outputs(supernet, space.network(space.largest(), classes=10), images), expected) < 1e-5
    assert distance(outputs(supernet, start.pretrained.network, images), expected) < 1e-5
    assert inherited.classifier
    assert not inherited.notes
    assert 0.2 < inherited.share < 1
    assert inherited.names <= {name for name, _ in supernet.named_parameters()}


def test_wider_layers_compute_the_same_where_no_shortcut_is_lost() -> None:
    head = [{"kind": "conv", "width": 96, "kernel": 1}, {"kind": "pool"}]
    wide = small_space("inverted_residual", head=head)
    start = start_from(middle_network(small_space("inverted_residual")))
    supernet = Supernet(wide, classes=10).eval()
    start.apply(supernet, classes=CLASSES)
    images = images_for(wide)
    with torch.no_grad():
        expected = start.pretrained.model(images)
    assert distance(outputs(supernet, wide.network(wide.largest(), classes=10), images), expected) < 1e-5


def test_another_epsilon_of_batch_norm_changes_nothing() -> None:
    network = replace(middle_network(small_space("inverted_residual")), norm_epsilon=0.05)
    space = small_space("inverted_residual", norm_epsilon=1.0e-5)
    start = start_from(network)
    supernet = Supernet(space, classes=10).eval()
    start.apply(supernet, classes=CLASSES)
    images = images_for(space)
    with torch.no_grad():
        assert distance(outputs(supernet, network, images), start.pretrained.model(images)) < 1e-5
    sources = [norm.running_var for norm in start.pretrained.model.modules() if hasattr(norm, "running_var")]
    copies = supernet.extract(network).modules()
    taken = [norm.running_var for norm in copies if hasattr(norm, "running_var")]
    for mine, other in zip(sources, taken, strict=True):
        assert torch.equal(mine.sort().values, other.sort().values), "statistics are not bent"


def test_grey_images_get_the_output_of_three_equal_channels() -> None:
    space = small_space("residual_basic")
    start = start_from(middle_network(space))
    supernet = Supernet(space, classes=10, input_channels=1).eval()
    start.apply(supernet, classes=CLASSES)
    images = images_for(space, channels=1)
    with torch.no_grad():
        expected = start.pretrained.model(images.repeat(1, 3, 1, 1))
    assert distance(outputs(supernet, start.pretrained.network, images), expected) < 1e-5


def test_other_classes_get_a_new_classifier() -> None:
    space = small_space("residual_basic")
    start = start_from(middle_network(space))
    for classes in (CLASSES[:4], tuple(reversed(CLASSES))):
        torch.manual_seed(1)
        supernet = Supernet(space, classes=len(classes))
        torch.manual_seed(1)
        fresh = Supernet(space, classes=len(classes))
        inherited = start.apply(supernet, classes=classes)
        assert not inherited.classifier
        name = "blocks.classifier_linear.linear.weight"
        assert torch.equal(supernet.get_parameter(name), fresh.get_parameter(name))
        assert name not in inherited.names


def test_without_names_as_many_classes_are_the_same() -> None:
    space = small_space("residual_basic")
    start = start_from(middle_network(space), classes=())
    assert start.apply(Supernet(space, classes=10), classes=CLASSES).classifier
    assert not start.apply(Supernet(space, classes=4), classes=CLASSES[:4]).classifier


def test_a_start_leaves_its_source_as_it_was() -> None:
    space = small_space("residual_basic")
    start = start_from(middle_network(space))
    before = {name: tensor.clone() for name, tensor in start.pretrained.model.state_dict().items()}
    start.apply(Supernet(space, classes=10, input_channels=1), classes=CLASSES)
    for name, tensor in start.pretrained.model.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_a_deeper_block_without_a_shortcut_is_noted() -> None:
    stage = {"kind": "depthwise_separable", "width": 16, "depth": [1, 2], "activation": "relu"}
    space = small_space("residual_basic", stages=[stage])
    start = start_from(middle_network(space, depth=1))
    inherited = start.apply(Supernet(space, classes=10), classes=CLASSES)
    assert inherited.notes == ("stage 0 block 1 cannot begin as its shortcut and starts from scratch",)


@pytest.mark.parametrize(
    ("space", "network"),
    [
        ("efficientnet_lite", "efficientnet_lite0"),
        ("mobilenet_v2", "mobilenet_v2"),
        ("efficientnet", "efficientnet_b0"),
        ("efficientnet", "efficientnet_b1"),
        ("convnext", "convnext_tiny"),
        ("mobilenet_v1", "mobilenet_v1"),
    ],
)
def test_shipped_spaces_that_hold_a_network(space: str, network: str) -> None:
    assert misfit(SearchSpace.load(space), reference_network(network)) is None


@pytest.mark.parametrize(
    ("space", "network", "message"),
    [
        (
            "mobilenet_v2",
            "efficientnet_lite0",
            "stage 1 block 0: out_channels 40 exceeds the supernet's 32; set space=efficientnet_lite",
        ),
        ("resnet50", "resnet50", r"stem block 0: out_channels 64 exceeds the supernet's 32; name another"),
        ("ofa_mobilenet_v3", "mobilenet_v3_large", "head block 2: bias is True; the supernet has False"),
        ("efficientnet", "efficientnet_lite0", "stem block 0: activation is relu6; the supernet has silu"),
        ("efficientnet_lite", "efficientnet_lite1", r"stage 1 block 2: .* has no inverted_residual there"),
        ("mnasnet", "mnasnet1_0", "kind is inverted_residual; the space's largest network has conv"),
        ("mobilenet_v4", "mobilenetv4_conv_small", "largest has the layer 'start', the network has not"),
    ],
)
def test_a_space_that_does_not_hold_a_network(space: str, network: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_holds(SearchSpace.load(space), reference_network(network), name="mine")


def test_a_space_with_another_shortcut_does_not_hold_it() -> None:
    stage = {"kind": "inverted_residual", **KINDS["inverted_residual"], "width": [16, 24]}
    space = small_space("inverted_residual", stages=[stage])
    network = space.network(space.smallest())
    assert misfit(space, network) == (
        "stage 0 block 0: shortcut is identity; the space's largest network has none"
    )


def test_spaces_that_cannot_be_read_are_passed_over(own_folder: Path) -> None:
    (own_folder / "search_spaces").mkdir()
    (own_folder / "search_spaces" / "broken.yaml").write_text("stages: [")
    with pytest.raises(UserError, match="set space=mobilenet_v2"):
        check_holds(SearchSpace.load("resnet50"), reference_network("mobilenet_v2"), name="mine")
