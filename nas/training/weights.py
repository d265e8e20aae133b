"""Weights on disk as safetensors, which hold nothing executable."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from nas.errors import UserError
from nas.files import atomic


def save_weights(model: nn.Module, path: Path, *, metadata: Mapping[str, str]) -> None:
    """Writes parameters and buffers to ``path`` atomically, with metadata about the model."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    with atomic(path) as temporary:
        save_file(tensors, temporary, metadata=dict(metadata))


def load_weights(model: nn.Module, path: Path) -> dict[str, str]:
    """Loads the file of ``save_weights`` into ``model``; returns the metadata.

    Raises:
        UserError: If the file is missing, damaged, or belongs to another model.
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist; run the step that writes it first")
    try:
        with safe_open(path, framework="pt") as stream:
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
            metadata = dict(stream.metadata() or {})
    except SafetensorError as error:
        raise UserError(f"{path} cannot be read ({error}); it may be cut off: write it again") from None
    state = model.state_dict()
    if differing := sorted(set(state) ^ set(tensors)):
        raise UserError(f"{path} belongs to another network: {differing[0]} stands in only one of them")
    for name, tensor in tensors.items():
        if tensor.shape != state[name].shape:
            shapes = f"{tuple(tensor.shape)} in the file, {tuple(state[name].shape)} in the network"
            raise UserError(f"{path} belongs to another network: {name} is {shapes}")
    with torch.no_grad():
        model.load_state_dict(tensors)
    return metadata
