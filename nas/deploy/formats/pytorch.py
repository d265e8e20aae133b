"""``pytorch``: a Python file without ``nas``, and its weights; a classifier or a backbone."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from nas.deploy.formats import FloatImages, Format, Predict, Source, register
from nas.errors import UserError
from nas.files import atomic_folder, write_json, write_text

CODE, WEIGHTS = "network.py", "weights.safetensors"


@final
@register
class PyTorch(Format):
    """A folder with ``network.py``, ``weights.safetensors`` and ``metadata.json``."""

    NAME: ClassVar[str] = "pytorch"
    SUMMARY: ClassVar[str] = "a Python file for PyTorch, classifier or backbone, and its weights"
    SUFFIX: ClassVar[str] = ".pytorch"
    PACKAGES: ClassVar[tuple[str, ...]] = ("torch", "safetensors")
    TOLERANCE: ClassVar[float] = 1e-4
    LIBRARY: ClassVar[str] = "pytorch"
    USAGE: ClassVar[str] = """\
# pip install torch safetensors
import sys

import torch

sys.path.insert(0, "FILE")
from network import load

network = load()
with torch.no_grad():
    logits = network(torch.from_numpy(images)).numpy()
"""

    def write(self, source: Source, path: Path) -> None:
        write_module(source, path)

    def open(self, path: Path) -> Predict:
        return predictor(load_module(path))


def write_module(source: Source, path: Path) -> None:
    """Writes the folder of the network, atomically."""
    from safetensors.torch import save_file

    from nas.deploy.onnx import read_metadata
    from nas.deploy.python_code import write_python

    about = read_metadata(source.onnx)
    text, state = write_python(source.model, name=source.onnx.stem, about=about)
    with atomic_folder(path) as folder:
        write_text(folder / CODE, text)
        save_file(state, folder / WEIGHTS)
        write_json(folder / "metadata.json", about.to_dict())


def load_module(folder: Path, *, features_only: bool = False) -> Any:
    """Loads the network of a folder, in evaluation mode.

    Raises:
        UserError: If a file is missing or damaged.
    """
    spec = importlib.util.spec_from_file_location("network", folder / CODE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        exec((folder / CODE).read_text(encoding="utf-8"), vars(module))  # leaves no cache in the folder
        return module.load(features_only=features_only)
    except Exception as error:  # noqa: BLE001  damaged code may raise anything
        raise UserError(
            f"{folder} cannot be loaded ({error}); export it again: nas export run_dir=…"
        ) from None


def fold_norms(network: Any) -> Any:
    """Folds every ``X_norm`` into the convolution or the matrix product ``X``, in place, for inference."""
    from torch import nn
    from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

    layers = dict(network.named_children())
    for name, norm in layers.items():
        layer = layers.get(name.removesuffix("_norm"))
        if isinstance(norm, nn.BatchNorm2d) and layer is not None:
            fuse = fuse_linear_bn_eval if isinstance(layer, nn.Linear) else fuse_conv_bn_eval
            setattr(network, name.removesuffix("_norm"), fuse(layer, norm))
            setattr(network, name, nn.Identity())
    return network


def predictor(network: Any) -> Predict:
    """Lets a module of PyTorch predict arrays."""
    import torch

    def predict(images: FloatImages) -> NDArray[np.float32]:
        with torch.no_grad():
            logits: NDArray[np.float32] = network(torch.from_numpy(np.ascontiguousarray(images))).numpy()
        return logits

    return predict
