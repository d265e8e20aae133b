"""A supernet's start from the supernet of an earlier run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, final

import torch
from torch import Tensor

from nas.errors import UserError
from nas.files import fields_of, read_json, sha256
from nas.network import CLASSIFIER, Place
from nas.nn import Supernet
from nas.nn.static import module_name
from nas.pretrained.base import Inherited, Origin, Preprocessing, Start
from nas.pretrained.fitting import converted_filters
from nas.pretrained.imagenet import same_classes
from nas.pretrained.tensor_file import read_tensors
from nas.space import SearchSpace

WEIGHTS = "weights"
SUMMARY = "summary"

_FILES = {WEIGHTS: "weights.safetensors", SUMMARY: "supernet.json"}


def supernet_files(folder: Path) -> dict[str, Path]:
    """The files of a trained supernet in a run folder, or in its folder ``supernet``.

    Raises:
        UserError: If the folder holds none.
    """
    for place in (folder, folder / "supernet"):
        files = {what: place / name for what, name in _FILES.items()}
        if all(path.is_file() for path in files.values()):
            return files
    raise UserError(
        f"{folder} holds no trained supernet ({' and '.join(_FILES.values())}); name a run folder in which "
        "`nas train` has finished"
    )


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class SupernetStart(Start):
    """The weights of a trained supernet of the same space.

    Attributes:
        tensors: Its tensors by name.
        space: Name of its space.
    """

    IS_SUPERNET: ClassVar[bool] = True

    tensors: Mapping[str, Tensor]
    space: str

    @classmethod
    def read(cls, files: Mapping[str, Path]) -> SupernetStart:
        """Reads the files of ``supernet_files``.

        Raises:
            UserError: If one is damaged.
        """
        summary = read_json(files[SUMMARY])
        with fields_of(files[SUMMARY], remedy="train it again: nas train"):
            space, classes = str(summary["space"]), tuple(summary["classes"])
            mean, std = tuple(summary["mean"]), tuple(summary["std"])
            transform = bool(summary["kernel_transform"])
            earlier = summary.get("init") or {}
        file = read_tensors(files[WEIGHTS])
        return cls(
            origin=Origin(
                name=f"supernet of {space}",
                source=str(earlier.get("source", "an earlier run")),
                licence=str(earlier.get("licence", "")),
                sha256=sha256(files[WEIGHTS]),
            ),
            preprocessing=Preprocessing(mean=mean, std=std, resolution=None, crop=None),
            tensors=file.tensors,
            space=space,
            classes=classes,
            kernel_transform=transform,
        )

    def check(self, space: SearchSpace) -> None:
        if space.name != self.space:
            raise UserError(
                f"the supernet was trained for the space {self.space!r}, not {space.name}; set "
                f"space={self.space!r}, or start from a network"
            )

    @torch.no_grad()
    def apply(
        self, supernet: Supernet, *, classes: Sequence[str], images: Iterable[Tensor] = ()
    ) -> Inherited:
        self.check(supernet.space)
        is_same = same_classes(self.classes, classes)
        state = supernet.state_dict()
        values = self._values(state, supernet.input_channels, classifier=is_same)
        for name, value in values.items():
            state[name].copy_(value)
        names = frozenset(name for name, _ in supernet.named_parameters() if name in values)
        every = dict(supernet.named_parameters())
        return Inherited(
            origin=self.origin,
            names=names,
            share=sum(every[name].numel() for name in names) / sum(p.numel() for p in every.values()),
            classifier=is_same,
        )

    def _values(self, state: Mapping[str, Tensor], channels: int, *, classifier: bool) -> dict[str, Tensor]:
        """The tensors to copy, with the shapes of ``state``.

        Raises:
            UserError: If one is missing, surplus or of another shape. The message names it.
        """
        values = {name: tensor for name, tensor in self.tensors.items() if classifier or not _is_last(name)}
        wanted = {
            name: tensor
            for name, tensor in state.items()
            if (classifier or not _is_last(name)) and (name in values or ".transforms." not in name)
        }
        if differing := sorted(set(values) ^ set(wanted)):
            where = "supernet that is trained" if differing[0] in wanted else "file"
            raise UserError(f"the earlier supernet has other weights: only the {where} has {differing[0]}")
        for name, tensor in wanted.items():
            if _is_first(name) and values[name].shape != tensor.shape:
                values[name] = converted_filters(values[name], channels)
            if values[name].shape != tensor.shape:
                shapes = f"{tuple(values[name].shape)} in the file and {tuple(tensor.shape)} here"
                raise UserError(f"the earlier supernet has other weights: {name} is {shapes}")
        return values


def _is_last(name: str) -> bool:
    return name.startswith(f"blocks.{module_name(CLASSIFIER)}_")


def _is_first(name: str) -> bool:
    """Whether a tensor is the weight of a convolution in the first block of the stem."""
    return name.startswith(f"blocks.{module_name(Place('stem', 0, 0))}_") and name.endswith("conv.weight")
