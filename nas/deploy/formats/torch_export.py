"""``torch_export``: an exported program of PyTorch (``.pt2``), for AOTInductor and others that read it."""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, final

from nas.deploy.formats import Format, Predict, Source, in_batches, register
from nas.deploy.formats.pytorch import fold_norms, load_module, predictor, write_module
from nas.deploy.isolated import convert
from nas.errors import UserError
from nas.files import atomic

METADATA = "metadata.json"


@final
@register
class TorchExport(Format):
    """A ``.pt2`` file."""

    NAME: ClassVar[str] = "torch_export"
    SUMMARY: ClassVar[str] = "an exported program of PyTorch (torch.export)"
    SUFFIX: ClassVar[str] = ".pt2"
    PACKAGES: ClassVar[tuple[str, ...]] = ("torch", "safetensors")
    TOLERANCE: ClassVar[float] = 1e-4
    LIBRARY: ClassVar[str] = "pytorch"
    USAGE: ClassVar[str] = """\
# pip install torch
import torch

network = torch.export.load("FILE").module()
with torch.no_grad():
    logits = network(torch.from_numpy(images)).numpy()
"""

    def write(self, source: Source, path: Path) -> None:
        with atomic(path) as temporary, plain_module(source) as module:
            convert(export, module, source.batch, temporary, log=source.logs / f"{path.name}.log")

    def open(self, path: Path) -> Predict:
        import torch

        if not zipfile.is_zipfile(path):  # PyTorch would print its own words about it
            raise UserError(f"{path} is damaged; export it again: nas export run_dir=…")
        try:
            program = torch.export.load(path)
        except Exception as error:  # noqa: BLE001  PyTorch raises many types
            raise UserError(
                f"PyTorch cannot load {path} ({error}); export it again: nas export run_dir=…"
            ) from None
        [images] = [node for node in program.graph.nodes if node.name == "images"]
        batch = images.meta["val"].shape[0]
        predict = predictor(program.module())
        return in_batches(predict, batch) if isinstance(batch, int) else predict


@contextmanager
def plain_module(source: Source) -> Iterator[Path]:
    """Gives a temporary folder with the network as plain PyTorch, from which converters start."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{source.onnx.stem}.pytorch"
        write_module(source, path)
        yield path


def export(module: str, batch: int | None, path: str) -> None:
    """Writes the network of a folder as an exported program."""
    import torch

    extra = {METADATA: (Path(module) / METADATA).read_text(encoding="utf-8")}
    torch.export.save(traced(module, batch=batch), path, extra_files=extra)


def traced(module: str, *, batch: int | None) -> Any:
    """The exported program of the network in a folder, with folded BatchNorm.

    Args:
        module: The folder.
        batch: Images of one inference; ``None`` for any number.
    """
    import torch

    about = json.loads((Path(module) / METADATA).read_text(encoding="utf-8"))["network"]
    network = fold_norms(load_module(Path(module)))
    images = torch.zeros(batch or 2, about["input_channels"], about["resolution"], about["resolution"])
    sizes = None if batch else {"images": {0: torch.export.Dim("batch", min=1)}}
    return torch.export.export(network, (images,), dynamic_shapes=sizes)
