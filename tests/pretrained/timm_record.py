"""Records what timm computes: names and shapes of its tensors, and outputs with weights from a formula.

timm is no dependency. To record again: ``pip install timm``, then ``python -m tests.pretrained.timm_record``.
"""

from __future__ import annotations

import importlib
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

RECORD = Path(__file__).with_name("timm.json")
NETWORKS = ("mobilenetv3_small_100", "mobilenetv4_conv_small", "mnasnet_100", "tf_efficientnet_lite0")
CLASSES = 5
COUNTER = ".num_batches_tracked"


def tensor(name: str, shape: tuple[int, ...]) -> Tensor:
    """A tensor that its name determines, so that outputs differ between images and stay in range."""
    rng = np.random.RandomState(zlib.crc32(name.encode()))
    if len(shape) > 1:
        values = rng.standard_normal(shape) * (2 / np.prod(shape[1:])) ** 0.5
    elif name.endswith(("running_var", "weight")):
        values = rng.uniform(0.5, 1.5, shape)
    else:
        values = rng.uniform(-0.3, 0.3, shape)
    return torch.from_numpy(values.astype(np.float32))


def images() -> Tensor:
    """Two images of 65 pixels."""
    return torch.from_numpy(np.random.RandomState(0).standard_normal((2, 3, 65, 65)).astype(np.float32))


def recorded(name: str) -> dict[str, Any]:
    """The tensors of one of timm's networks, what it computes from ``images``, and its configuration."""
    model = importlib.import_module("timm").create_model(name, num_classes=CLASSES).eval()
    shapes = {
        key: tuple(value.shape) for key, value in model.state_dict().items() if not key.endswith(COUNTER)
    }
    model.load_state_dict({key: tensor(key, shape) for key, shape in shapes.items()}, strict=False)
    with torch.no_grad():
        outputs = model(images())
    fields = ("mean", "std", "input_size", "crop_pct", "interpolation", "license", "tag")
    return {
        "config": {
            "architecture": name,
            "pretrained_cfg": {field: model.default_cfg[field] for field in fields},
        },
        "outputs": outputs.tolist(),
        "shapes": shapes,
    }


if __name__ == "__main__":
    RECORD.write_text(json.dumps({name: recorded(name) for name in NETWORKS}) + "\n", encoding="utf-8")
