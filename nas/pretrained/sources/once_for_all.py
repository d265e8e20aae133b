"""The supernets that Once-for-All published (Cai et al. 2020), as state dictionaries of the authors' code.

Their names differ between versions of that code: a layer's name may be repeated (``bn.bn``), and the layers
of a block may be called ``mobile_inverted_conv``. A kernel transform is applied to filters from the left.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, final

import torch
from torch import Tensor

from nas.errors import UserError
from nas.nn import Supernet
from nas.pretrained import imagenet
from nas.pretrained.base import SOURCES, Inherited, Origin, Source, Start, Store
from nas.pretrained.fitting import converted_filters
from nas.pretrained.tensor_file import TensorFile
from nas.space import SearchSpace

SPACES = ("ofa_mobilenet_v3", "ofa_mobilenet_v3_w12", "ofa_proxyless_w13", "ofa_resnet50")
"""Our spaces of the published supernets."""

_CLASSIFIER = "classifier.linear."
_FIRST = ("first_conv.conv.weight", "input_stem.0.conv.weight")
_COUNT = ".num_batches_tracked"

Shape = tuple[int, ...]


@final
@SOURCES.register
class OnceForAll(Source):
    """Files that the user provides; none is found by name."""

    NAME: ClassVar[str] = "once_for_all"

    def names(self) -> tuple[str, ...]:
        return ()

    def find(self, name: str, *, store: Store) -> Path:
        raise UserError(f"{name} is not a file; a supernet of Once-for-All is named by the path of its file")

    def start(self, file: TensorFile) -> Start | None:
        names = {canonical(name): name for name in file.tensors if not name.endswith(_COUNT)}
        if f"{_CLASSIFIER}weight" not in names or not any(name in names for name in _FIRST):
            return None
        origin = Origin(
            name="supernet of Once-for-All",
            source="Cai et al. 2020, Once-for-All",
            licence="MIT",
            sha256=file.sha256,
        )
        count = len(file.tensors[names[f"{_CLASSIFIER}weight"]])
        return OnceForAllStart(
            origin=origin,
            preprocessing=imagenet.PREPROCESSING,
            classes=imagenet.class_names() if count == 1000 else tuple(map(str, range(count))),
            kernel_transform=True,
            file=file,
            names=names,
        )


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class OnceForAllStart(Start):
    """The weights of a published supernet.

    Its classes are ImageNet's if there are 1,000, and numbers otherwise.

    Attributes:
        file: Its file.
        names: The names in the file, by those that are the same in every version.
    """

    IS_SUPERNET: ClassVar[bool] = True

    file: TensorFile
    names: Mapping[str, str]

    def check(self, space: SearchSpace) -> None:
        fitting = next((name for name in SPACES if self._difference(SearchSpace.load(name)) is None), None)
        difference = self._difference(space)
        if difference is None and fitting is not None:
            difference = _other_networks(space, SearchSpace.load(fitting))
        if difference is None:
            return
        remedy = f"set space={fitting}" if fitting else f"it fits none of {', '.join(SPACES)} either"
        raise UserError(f"{self.file.path} holds no supernet of {space.name}: {difference}; {remedy}")

    @torch.no_grad()
    def apply(
        self, supernet: Supernet, *, classes: Sequence[str], images: Iterable[Tensor] = ()
    ) -> Inherited:
        self.check(supernet.space)
        is_same = imagenet.same_classes(self.classes, classes)
        values = dict(self._values(supernet, classifier=is_same))
        state = supernet.state_dict()
        for name, value in values.items():
            state[name].copy_(value)
        parameters = dict(supernet.named_parameters())
        names = frozenset(values) & parameters.keys()
        inherited, every = (sum(parameters[name].numel() for name in part) for part in (names, parameters))
        return Inherited(origin=self.origin, names=names, share=inherited / every, classifier=is_same)

    def _tensor(self, name: str) -> Tensor:
        return self.file.tensors[self.names[name]]

    def _difference(self, space: SearchSpace) -> str | None:
        """The first tensor that the supernet of a space lacks, has in surplus, or has in another shape."""
        expected = _expected(space, len(self.classes))
        for name, shape in expected.items():
            if name not in self.names:
                return f"{name} is missing"
            here = tuple(self._tensor(name).shape)
            if here != shape:
                return f"{self.names[name]} is {_words(here)}, not {_words(shape)}"
        surplus = [original for name, original in self.names.items() if name not in expected]
        return f"{surplus[0]} has no place there" if surplus else None

    def _values(self, supernet: Supernet, *, classifier: bool) -> Iterator[tuple[str, Tensor]]:
        """The tensors for a supernet, in its shapes, by its names."""
        state = supernet.state_dict()
        for number, (own, name) in enumerate(published_names(supernet).items()):
            if name.startswith(_CLASSIFIER) and not classifier:
                continue
            value = self._tensor(name)
            if number == 0 and value.shape[1] != supernet.input_channels:
                value = converted_filters(value, supernet.input_channels)
            yield own, value.T if _TRANSFORM.search(own) else value.reshape(state[own].shape)


def canonical(name: str) -> str:
    """The name of a tensor that all versions of the authors' code share.

    ``blocks.1.mobile_inverted_conv.depth_conv.bn.bn.weight`` is ``blocks.1.conv.depth_conv.bn.weight``.
    """
    return _REPEATED.sub(r"\1", name.replace("mobile_inverted_conv", "conv"))


_REPEATED = re.compile(r"\b(\w+)(?:\.\1)+(?=\.)")
_TRANSFORM = re.compile(r"transforms\.(\d+)$")


@lru_cache(maxsize=16)
def _expected(space: SearchSpace, classes: int) -> dict[str, Shape]:
    """The shapes in a published file of a space's supernet."""
    with torch.device("meta"):
        return expected_shapes(Supernet(space, classes=classes, kernel_transform=True))


def _other_networks(space: SearchSpace, published: SearchSpace) -> str | None:
    """The first difference of the largest network from a published one whose weights have the same shapes."""
    theirs = published.network(published.largest())
    ours = replace(space.network(space.largest()), resolution=theirs.resolution)
    if ours.norm_epsilon != theirs.norm_epsilon:
        return f"norm_epsilon is {ours.norm_epsilon}, not {theirs.norm_epsilon}"
    for (place, mine), other in zip(ours.placed_blocks, theirs.blocks, strict=False):
        if mine.KIND != other.KIND:
            return f"{place} is of kind {mine.KIND}, not {other.KIND}"
        for field in fields(mine):
            value, wanted = (getattr(block, field.name) for block in (mine, other))
            if value != wanted:
                return f"{field.name} of {place} is {value}, not {wanted}"
    return None


def expected_shapes(supernet: Supernet) -> dict[str, Shape]:
    """The shapes in a published file of a supernet, by the names of ``canonical``."""
    state, shapes = supernet.state_dict(), dict[str, Shape]()
    for own, name in published_names(supernet).items():
        shape = tuple(state[own].shape)
        is_matrix = name.endswith(".conv.weight") and len(shape) == 2  # a convolution of 1×1 pixels there
        shapes[name] = (*shape, 1, 1) if is_matrix else shape
    return shapes


def published_names(supernet: Supernet) -> dict[str, str]:
    """From the names of a supernet's tensors to those of ``canonical``, without counts of batches."""
    names = [name for name in supernet.state_dict() if not name.endswith(_COUNT)]
    split = {name: name.removeprefix("blocks.").split(".", 1) for name in names}
    prefixes = _prefixes(list(dict.fromkeys(block for block, _ in split.values())))
    return {
        name: canonical(f"{prefixes[block]}.{_layer(rest, prefix=prefixes[block])}")
        for name, (block, rest) in split.items()
    }


def _prefixes(blocks: Sequence[str]) -> dict[str, str]:
    """From our blocks that have weights, in order, to the authors' names."""
    head = [block for block in blocks if block.startswith("head_")]
    *body, classifier = [block for block in blocks if block not in head]
    if any("residual_bottleneck" in block for block in body):
        stem, suffix = ["input_stem.0", "input_stem.1.conv", "input_stem.2"], ""
    else:
        stem, suffix = ["first_conv"], ".conv"
    numbered = [f"blocks.{number}{suffix}" for number in range(len(body))]
    heads = [*(f"head.{n}" for n in range(len(head) - 2)), "final_expand_layer", "feature_mix_layer"]
    theirs = [*[*stem, *numbered][: len(body)], *heads[len(heads) - len(head) :], "classifier"]
    return dict(zip([*body, *head, classifier], theirs, strict=True))


_LAYERS = {
    "squeeze.conv": "depth_conv.se.fc.reduce",
    "excite.conv": "depth_conv.se.fc.expand",
    "expand": "inverted_bottleneck",
    "depthwise": "depth_conv",
    "project": "point_linear",
    "reduce": "conv1",
    "spatial": "conv2",
    "restore": "conv3",
    "shortcut": "downsample",
}
"""From our roles to the authors' layers; the only layer of a block has no name there."""


def _layer(name: str, *, prefix: str) -> str:
    """From a tensor's name in our block, e.g. ``expand.norm.bias``, to ``inverted_bottleneck.bn.bias``."""
    for role, layer in _LAYERS.items():
        if name.startswith(f"{role}."):
            name = layer + name.removeprefix(role)
            break
    else:
        own, rest = name.split(".", 1)
        name = rest if own != "linear" else f"{'linear' if prefix == 'classifier' else 'conv'}.{rest}"
    name = _TRANSFORM.sub(lambda match: f"{int(match[1]) + 2}to{match[1]}_matrix", name)
    return name.replace("norm.", "bn.")


def _words(shape: Shape) -> str:
    return "×".join(map(str, shape)) or "a single number"
