"""``README.md`` beside the exported files; ``tests/contracts/test_formats.py`` runs its code."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from nas.deploy import Artefact
from nas.deploy.interface import Input
from nas.deploy.readme import write_readme
from nas.training.data import FileImages, Images, Normalization, batches

TAKES = Input(
    channels=3, resolution=24, crop=0.875, store_size=None, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.1)
)
ARTEFACT = Artefact(
    name="winner",
    format="onnx",
    file="winner.onnx",
    sha256="",
    size_bytes=1000,
    parity=None,
    input=TAKES,
)


def readme(folder: Path, *artefacts: Artefact, classes: tuple[str, ...] = ("cat", "dog")) -> str:
    return write_readme(folder, artefacts, title="pets", classes=classes, see="").read_text(encoding="utf-8")


def code_of(text: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def namespace_of(text: str) -> dict[str, Any]:
    """What the first block of code defines."""
    names: dict[str, Any] = {}
    exec(code_of(text)[0].rsplit("\n\n", 1)[0], names)  # without the image
    return names


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Pictures of several sizes, modes and formats, one of them rotated, one transparent."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (40, 30, 3), np.uint8))
    large = noise.resize((400, 300), Image.Resampling.BICUBIC)
    rotated = Image.Exif()
    rotated[0x0112] = 6
    large.save(folder / "large.jpg", quality=90)
    large.save(folder / "rotated.jpg", exif=rotated)
    noise.save(folder / "small.png")
    noise.convert("L").save(folder / "grey.png")
    noise.quantize(16).save(folder / "palette.gif")
    transparent = noise.convert("RGBA")
    transparent.putalpha(Image.fromarray(rng.integers(0, 256, (40, 30), np.uint8)))
    transparent.save(folder / "transparent.png")
    return sorted(folder.iterdir())


@pytest.mark.parametrize("store_size", [None, 40, 24])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_prepared_as_in_the_training(
    pictures: list[Path], channels: int, store_size: int | None, tmp_path: Path
) -> None:
    paths = tuple(map(str, pictures))
    labels = torch.zeros(len(paths), dtype=torch.int64)
    images: Images = FileImages(labels=labels, paths=paths, color_channels=channels, crop_fraction=0.875)
    if store_size is not None:
        assert isinstance(images, FileImages)
        images = images.decoded(size=store_size, workers=0, progress=lambda done, total: None)
    takes = dataclasses.replace(
        TAKES, channels=channels, store_size=store_size, mean=TAKES.mean[:channels], std=TAKES.std[:channels]
    )
    normalize = Normalization(mean=takes.mean, std=takes.std)
    cpu = torch.device("cpu")
    [(expected, _)] = batches(images, batch_size=64, resolution=24, device=cpu, normalize=normalize)
    text = readme(tmp_path, dataclasses.replace(ARTEFACT, input=takes))
    load_image = namespace_of(text)["load_image"]
    for path, x in zip(paths, expected.numpy(), strict=True):
        assert load_image(path) == pytest.approx(x, abs=1e-4), path
        assert load_image(path).dtype == np.float32


def test_only_what_was_written_is_explained(tmp_path: Path) -> None:
    other = dataclasses.replace(ARTEFACT, format="openvino", file="winner.openvino", note="in FP16")
    text = readme(tmp_path, ARTEFACT, other)
    assert re.findall(r"^## `(.*)`$", text, re.MULTILINE) == ["winner.onnx", "winner.openvino"]
    assert "winner.openvino/model.xml" in text and "Note: in FP16." in text
    assert "FILE" not in text and "ncnn" not in text and "other inputs" not in text


def test_the_first_network_is_run_and_the_others_are_listed(tmp_path: Path) -> None:
    small = dataclasses.replace(TAKES, resolution=16)
    baseline = dataclasses.replace(ARTEFACT, name="mobilenet_v2 ×0.5", file="m.onnx", input=small)
    text = readme(tmp_path, ARTEFACT, baseline)
    assert re.search(r"^\| `m\.onnx` +\| mobilenet_v2 ×0\.5 \| ONNX in FP32 +\| +16 \|", text, re.MULTILINE)
    assert '`load_image("image.jpg", size=16)`' in text
    assert len(code_of(text)) == 2 and "m.onnx" not in code_of(text)[1]


def test_a_format_of_another_network_alone_gets_its_images(tmp_path: Path) -> None:
    """With ``export.formats=all``, a converter may fail on the winner alone."""
    small = dataclasses.replace(TAKES, resolution=16, batch=4)
    other = dataclasses.replace(ARTEFACT, name="net", format="mnn", file="net.mnn", input=small)
    text = readme(tmp_path, ARTEFACT, other)
    assert code_of(text)[2].startswith('images = load_image("image.jpg", size=16)[None].repeat(4, 0)\n')


CLASSES = (
    'say "cat"',
    "back\\slash",
    "```",
    "two\nlines",
    "bell\a😀",
    "lone\udc80",
    "ünïcode",
    "'; import os",
)


def test_class_names_are_literals(tmp_path: Path) -> None:
    many = (*CLASSES, *(f"class number {number}" for number in range(100)))
    for classes in (("a", "b"), CLASSES, many):
        text = readme(tmp_path, ARTEFACT, classes=classes)
        assert namespace_of(text)["CLASSES"] == list(classes)
        assert max(map(len, text.splitlines())) < 240
    assert "```\n\n##" in text, "the block ends where it should"
