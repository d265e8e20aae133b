"""A converter that does not know an operation: the blocks that have it, and the choices without it."""

from __future__ import annotations

import pytest

from nas.blocks import Shape, make_settings
from nas.deploy.formats import ConverterError
from nas.deploy.operators import culprits, in_words
from nas.network import NetworkSpec, Place
from nas.space import SearchSpace
from nas.space.avoid import choices_without

NETWORK = NetworkSpec(
    resolution=16,
    input_channels=1,
    classes=10,
    stem=(make_settings("conv", {"width": 8, "stride": 2, "activation": "relu6"}),),
    stages=(
        (make_settings("convnext", {"width": 8}),) * 2,
        (make_settings("inverted_residual", {"width": 16, "expand": 2, "activation": "hard_swish"}),),
    ),
    head=(make_settings("pool", {}),),
)


@pytest.mark.parametrize(
    ("message", "output", "operations"),
    [
        ("RuntimeError: operator Gelu is unknown", "", ["gelu"]),
        ("exit code 1", "step 1\nUnsupported op: aten.hardswish.default\nstep 2", ["hard-swish"]),
        ("ValueError: PyTorch convert function for op 'layer_norm' not implemented.", "", ["layer norm"]),
        ("No conversion for LayerNormalization, HardSwish", "", ["layer norm", "hard-swish"]),
        ("Relu is not supported", "", []),  # the network has relu6, which is another one
        ("it crashed with SIGSEGV", "converting Gelu\nconverting HardSwish", []),
        ("Conv is not supported", "", []),
    ],
)
def test_the_operation_that_a_converter_does_not_know(
    message: str, output: str, operations: list[str]
) -> None:
    found = culprits(NETWORK, ConverterError(message, output=output))
    assert sorted(each.operation for each in found) == sorted(operations)


def test_its_blocks_are_named() -> None:
    text = in_words(NETWORK, ConverterError("operator Gelu is unknown"))
    assert (
        text
        == ". The format does not know gelu, an operation of stage 0 block 0 (convnext) and 1 other block"
    )
    assert in_words(NETWORK, ConverterError("out of memory")) == ""


def test_an_operation_that_an_error_names_is_the_only_one() -> None:
    [culprit] = culprits(NETWORK, ConverterError("Gelu is unknown", operation="pointwise convolution"))
    assert culprit.operation == "pointwise convolution"


def test_choices_of_a_space_without_it() -> None:
    space, shape = SearchSpace.load("mixed_32"), Shape(16, 16, 16)
    choices = choices_without(space, Place("stages", 1, 0), shape=shape, operation="silu")
    assert set(choices) == {"activation=relu", "activation=hard_swish"}
    beyond = choices_without(space, Place("stages", 1, 7), shape=shape, operation="silu")
    assert beyond == choices, "a scaled network has more blocks than the space"
    assert choices_without(space, Place("stem", 0, 0), shape=shape, operation="relu") == ()
