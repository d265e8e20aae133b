"""``python to_litert.py FOLDER BATCH FILE``: writes a plain PyTorch network as a file for LiteRT.

It runs in an environment without ``nas``, see ``nas.deploy.environments``. The folder is what the format
``pytorch`` writes. The file takes ``images`` (batch, height, width, channels), as LiteRT's operators want it,
and computes ``logits``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(folder: str, batch: str, path: str) -> None:
    """Writes the network of a folder as a ``.tflite`` file."""
    sys.path.insert(0, folder)
    import litert_torch  # type: ignore[import-not-found,unused-ignore]
    import torch
    from network import load  # type: ignore[import-not-found,unused-ignore]

    class Named(torch.nn.Module):
        """Gives the file's input and output their names and layout."""

        def __init__(self) -> None:
            super().__init__()
            self.network = load()

        def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"logits": self.network(images.permute(0, 3, 1, 2))}

    about = json.loads((Path(folder) / "metadata.json").read_text(encoding="utf-8"))["network"]
    images = torch.zeros(int(batch), about["resolution"], about["resolution"], about["input_channels"])
    litert_torch.convert(Named().eval(), sample_kwargs={"images": images}).export(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
