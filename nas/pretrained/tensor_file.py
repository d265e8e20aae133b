"""Reading files of tensors: safetensors, and PyTorch's own format without running what a pickle asks for."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from nas.errors import UserError
from nas.files import sha256

SUFFIXES = (".pth", ".pt", ".bin", ".safetensors", ".tar")
"""Endings of files with weights. What ends otherwise may be the name of a network."""

COUNTER = ".num_batches_tracked"
"""BatchNorm's count of batches, which files may leave out and nothing here reads."""

WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Keys under which training scripts keep the tensors of a network."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class TensorFile:
    """A file of named tensors.

    Attributes:
        path: The file.
        sha256: Its hash.
        tensors: Its tensors by name.
        metadata: Texts by name, of safetensors only.
    """

    path: Path
    sha256: str
    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes by name, without BatchNorm's counts of batches."""
        tensors = self.tensors.items()
        return {name: tuple(tensor.shape) for name, tensor in tensors if not name.endswith(COUNTER)}

    def check(self, expected: Mapping[str, tuple[int, ...]], *, network: str) -> None:
        """Compares names and shapes with those of a network.

        A matrix product may stand for a 1×1 convolution, and a vector for a factor per channel.

        Args:
            expected: The network's shapes by name.
            network: The network, for the message.

        Raises:
            UserError: If a tensor is missing, surplus or of another shape. The message names the first.
        """
        where, shapes = f"{self.path} does not hold {network}", self.shapes
        if missing := [name for name in expected if name not in shapes]:
            raise UserError(
                f"{where}: it lacks {len(missing)} of {len(expected)} tensors, first {missing[0]}; name a "
                "file with all weights of that network"
            )
        if surplus := [name for name in shapes if name not in expected]:
            raise UserError(
                f"{where}: {len(surplus)} of its {len(shapes)} tensors are not part of it, first "
                f"{surplus[0]}; name a file of that network alone"
            )
        for name, shape in expected.items():
            if _trimmed(shapes[name]) != _trimmed(shape):
                raise UserError(
                    f"{where}: {name} is {_words(shapes[name])} in the file and {_words(shape)} in the "
                    "network; name a file of the same width"
                )


def read_tensors(path: Path) -> TensorFile:
    """Reads a file of tensors. Nothing in it is executed.

    Raises:
        UserError: If the file is missing, damaged, holds code, or holds no tensors by name.
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist; name a file of weights, or a pretrained network")
    try:
        digest = sha256(path)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    if path.suffix == ".safetensors":
        tensors, metadata = _read_safetensors(path)
    else:
        tensors, metadata = _read_pickle(path), {}
    return TensorFile(path=path, sha256=digest, tensors=tensors, metadata=metadata)


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as stream:
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
            return tensors, dict(stream.metadata() or {})
    except SafetensorError as error:
        raise UserError(f"{path} cannot be read ({error}); it may be cut off: get it again") from None


def _read_pickle(path: Path) -> dict[str, Tensor]:
    try:
        value = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "GLOBAL" in str(error):
            raise UserError(
                f"{path} holds more than tensors, and loading it might run code; save its state_dict() "
                "again, or get the weights as safetensors"
            ) from None
        raise _damaged(path) from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError, IndexError, TypeError):
        raise _damaged(path) from None
    return _tensors(value, path)


def _damaged(path: Path) -> UserError:
    return UserError(f"{path} is no whole file of tensors; it may be cut off: get it again")


def _tensors(value: Any, path: Path) -> dict[str, Tensor]:
    """The tensors by name, also from below a usual key of training scripts."""
    for key in WRAPPERS:
        if isinstance(value, Mapping) and isinstance(value.get(key), Mapping):
            value = value[key]
    if not isinstance(value, Mapping) or not value:
        raise UserError(f"{path} holds no tensors by name; save the network's state_dict()")
    if others := [name for name, item in value.items() if not isinstance(item, Tensor)]:
        raise UserError(
            f"{path} holds more than tensors, e.g. {others[0]!r}; save the network's state_dict() alone"
        )
    return {str(name).removeprefix("module."): tensor for name, tensor in value.items()}


def _trimmed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without trailing ones."""
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _words(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "a single number"
