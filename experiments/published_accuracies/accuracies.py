"""Accuracies that others published, as files for ``search.accuracy=published``.

    python experiments/published_accuracies/accuracies.py FILE [FOLDER]

FILE is ``ofa_mbv3_imagenet_top1.csv``, 540 networks of Once-for-All's supernet (IntelLabs/DyNAS-T). The
result, ``ofa_mobilenet_v3.json``, is written into FOLDER, by default ``published_accuracies``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))

from published import SPACE, read

from nas.files import sha256, write_text
from nas.published.accuracies import SCHEMA

_ABOUT = {
    "data": "ImageNet",
    "classes": 1000,
    "input_channels": 3,
    "precision": "fp32",
    "source": (
        "github.com/IntelLabs/DyNAS-T: top-1 of subnets of Once-for-All's MobileNetV3 supernet, width 1.0 "
        "(Cai et al. 2020), each with the supernet's weights"
    ),
    "licence": "Apache-2.0",
}
_RESOLUTION_EFFECT = {
    "source": "github.com/tensorflow/models, research/slim/nets: mobilenet_v1.md, mobilenet/README.md",
    "top1_percent": {
        "mobilenet_v1": {"224": 70.9, "192": 70.0, "160": 68.0, "128": 65.2},
        "mobilenet_v2": {"224": 71.8, "192": 70.7, "160": 68.8, "128": 65.3},
    },
}


def published(path: Path) -> dict[str, Any]:
    """The content of the file, each network once."""
    space, rows, values = read(path)
    codes = [str(arch) for arch in space.decode(rows)]
    return {
        "schema": SCHEMA,
        "space": SPACE,
        **_ABOUT,
        "sha256": sha256(path),
        "resolution_effect": _RESOLUTION_EFFECT,
        "top1_percent": dict(zip(codes, values.tolist(), strict=True)),
    }


def main(path: Path, folder: Path) -> None:
    """Writes the file."""
    text = json.dumps(published(path), indent=1, ensure_ascii=False)
    write_text(folder / f"{SPACE}.json", f"{text}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "published_accuracies"))
