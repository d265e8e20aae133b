"""``deploy/README.md``: how to run each exported file, without this project."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from nas.deploy.formats import find_format
from nas.deploy.interface import Input
from nas.deploy.manifest import Artefact
from nas.files import write_text
from nas.markdown import block, code, escaped, table

README = "README.md"

_LINE = 100
_DETAIL = 4  # JPEG decoders skip detail beyond this multiple of the size, as in nas.training.data.decode


def write_readme(
    folder: Path, artefacts: Sequence[Artefact], *, title: str, classes: Sequence[str], see: str
) -> Path:
    """Writes ``README.md`` into the folder of the artefacts, atomically, and returns its path.

    Args:
        folder: The folder.
        artefacts: At least one; the first network is the one that the examples run.
        title: Heading of the document.
        classes: Name of each output.
        see: A sentence in Markdown on where the figures are.
    """
    takes = artefacts[0].input
    assert takes is not None, "written by this version"
    about = f"Files that `nas export` wrote, and how to run them without hwnas. {see}"
    parts = [
        f"# {escaped(title)}",
        f"{about} The code runs in this folder, on a picture `image.jpg`.",
        _files(artefacts),
        *_input(takes, classes, sizes=_other_sizes(artefacts)),
        *(part for each in _examples(artefacts) for part in _example(each, takes)),
    ]
    path = folder / README
    write_text(path, "\n\n".join(parts) + "\n")
    return path


def _other_sizes(artefacts: Sequence[Artefact]) -> list[int]:
    """Returns the resolutions that differ from that of the first file."""
    sizes = dict.fromkeys(each.input.resolution for each in artefacts if each.input is not None)
    return list(sizes)[1:]


def _files(artefacts: Iterable[Artefact]) -> str:
    head = ("file", "network", "format", "input, pixels", "size, kB")
    rows = [
        (
            code(each.file),
            escaped(each.name),
            find_format(each.format).SUMMARY,
            "" if each.input is None else str(each.input.resolution),
            f"{each.size_bytes * 1e-3:.1f}",
        )
        for each in artefacts
    ]
    return table(head, rows, texts=3)


def _input(takes: Input, classes: Sequence[str], *, sizes: Sequence[int]) -> Iterator[str]:
    colours = "grey" if takes.channels == 1 else "RGB"
    yield "## From an image to an input"
    yield (
        f"Each file takes `images` (N, {takes.channels}, height, width): {colours}, float32, normalised. "
        f"It computes `logits` (N, {len(classes)}). Convert images of 16 bits a channel to 8 bits first."
    )
    yield block(_loading(takes, classes), language="python")
    if sizes:
        yield f'Files with other inputs need other images: `load_image("image.jpg", size={sizes[0]})`.'


def _loading(takes: Input, classes: Sequence[str]) -> str:
    """Returns the code that prepares an image as the training did, see ``nas.training.data``."""
    store, mode = takes.store_size, "L" if takes.channels == 1 else "RGB"
    first = "size" if store is None else str(store)
    draft = f"{_DETAIL} * size" if store is None else str(_DETAIL * store)
    lines = [
        "# pip install numpy pillow",
        "import numpy as np",
        "from PIL import Image, ImageOps",
        "",
        f"MEAN = {_numbers(takes.mean)}",
        f"STD = {_numbers(takes.std)}",
        *_literal("CLASSES", classes),
        "",
        "",
        f"def load_image(path, size={takes.resolution}):",
        f'    """Returns an image as a normalised array ({takes.channels}, size, size)."""',
        "    with Image.open(path) as opened:",
        f"        opened.draft(None, ({draft}, {draft}))  # JPEG: no more detail than is used",
        "        image = ImageOps.exif_transpose(opened)",
        "    if image.has_transparency_data:",
        '        image = image.convert("RGBA")',
        '        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)',
        f'    image = image.convert("{mode}")',
        f"    side = {takes.crop:g} * min(image.size)" if takes.crop != 1 else "    side = min(image.size)",
        "    left, top = (image.width - side) / 2, (image.height - side) / 2",
        "    box = (left, top, left + side, top + side)",
        f"    image = image.resize(({first}, {first}), Image.Resampling.BILINEAR, box, reducing_gap=2.0)",
        f"    pixels = np.asarray(image, np.float32).reshape({first}, {first}, {takes.channels})",
        *(_LIKE_STORED if store is not None else ()),
        "    return ((pixels / 255 - MEAN) / STD).transpose(2, 0, 1).astype(np.float32)",
        "",
        "",
        f'images = load_image("image.jpg"){_batched(takes)}',
    ]
    return "\n".join(lines)


_LIKE_STORED = (
    "    planes = [Image.fromarray(plane) for plane in pixels.transpose(2, 0, 1)]",
    "    planes = [plane.resize((size, size), Image.Resampling.BILINEAR) for plane in planes]",
    "    pixels = np.stack(planes, axis=-1)",
)
"""The second resize, in floating-point numbers, of images that the training stored at another size."""


def _batched(takes: Input) -> str:
    """Returns the code that makes a batch of one image."""
    return "[None]" if takes.batch in (None, 1) else f"[None].repeat({takes.batch}, 0)"


def _numbers(values: Sequence[float]) -> str:
    return f"[{', '.join(f'{value:.7g}' for value in values)}]"


def _literal(name: str, values: Sequence[str]) -> Iterator[str]:
    """Yields the lines of a list of texts."""
    items = [json.dumps(item, ensure_ascii=False) if item.isprintable() else repr(item) for item in values]
    whole = f"{name} = [{', '.join(items)}]"
    if len(whole) <= _LINE:
        yield whole
        return
    yield f"{name} = ["
    line = "   "
    for item in items:
        if len(line) + len(item) + 2 > _LINE and line.strip():
            yield line
            line = "   "
        line += f" {item},"
    yield line
    yield "]"


def _examples(artefacts: Iterable[Artefact]) -> Iterable[Artefact]:
    """Returns the first artefact of each format."""
    first: dict[str, Artefact] = {}
    for each in artefacts:
        first.setdefault(each.format, each)
    return first.values()


def _example(artefact: Artefact, takes: Input) -> Iterator[str]:
    kind = find_format(artefact.format)
    yield f"## {code(artefact.file)}"
    note = f" Note: {escaped(artefact.note)}." if artefact.note else ""
    yield f"{kind.SUMMARY[:1].upper()}{kind.SUMMARY[1:]}.{note}"
    if not kind.USAGE:
        return
    own = artefact.input
    usage = kind.USAGE.replace("FILE", artefact.file).rstrip()
    if own is not None and own != takes:
        usage = f'images = load_image("image.jpg", size={own.resolution}){_batched(own)}\n\n{usage}'
    yield block(f"{usage}\nprint(CLASSES[logits[0].argmax()])", language="python")
