"""The process of ``tests.fuzz.guided``: libFuzzer, through atheris, runs one parser and ends the process.

``nas`` is instrumented where it is imported, so that libFuzzer sees the branches that an input takes and the
values that it is compared with. Other packages are not: PyTorch alone would take minutes.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import atheris

NOT_JSON = object()


def encode(value: Any) -> bytes:
    """An input as libFuzzer keeps it: bytes, text, or a value as JSON."""
    if isinstance(value, bytes):
        return value
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()


def decode(data: bytes, like: Any) -> Any:
    """The input in these bytes, of the form of another one; ``NOT_JSON`` if it should be JSON and is not."""
    if isinstance(like, bytes):
        return data
    if isinstance(like, str):
        return data.decode(errors="replace")
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return NOT_JSON


def escaped(piece: bytes) -> str:
    """A piece of text as libFuzzer's dictionaries have it."""
    return "".join(rf"\x{byte:02x}" for byte in piece)


def change_values(parser: Any) -> Callable[[bytes, int, int], bytes]:
    """Changes of JSON that keep it JSON: those of the parser."""

    def change(data: bytes, longest: int, seed: int) -> bytes:
        rng = random.Random(seed)
        value = decode(data, None)
        changed = encode(parser.change(rng, rng.choice(parser.valid) if value is NOT_JSON else value))
        return changed if len(changed) <= longest else data

    return change


def main(maker: str, place: str, *flags: str) -> None:
    """Runs the parser that ``maker`` makes (``texts.block_keys``) and writes ``place/faults``, one a line."""
    folder, kinds = Path(place), set[str]()
    with atheris.instrument_imports(include=["nas"]):
        from tests.fuzz.faults import fault
        from tests.fuzz.mutations import PIECES

        module, name = maker.split(".")
        parser = getattr(import_module(f"tests.fuzz.{module}"), name)(folder)
    if parser.parse.__module__.startswith("tests."):
        atheris.instrument_func(parser.parse)
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, value in enumerate(parser.valid):
        (corpus / f"{number}").write_bytes(encode(value))

    def one(data: bytes) -> None:
        value = decode(data, parser.valid[0])
        found = "" if value is NOT_JSON else fault(parser, value)
        if found and found[:60] not in kinds:
            kinds.add(found[:60])
            with (folder / "faults").open("a", encoding="utf-8") as file:
                file.write(json.dumps(f"{found[:300]} for {value!r:.600}") + "\n")

    words = "".join(f'"{escaped(piece)}"\n' for piece in PIECES if piece)
    (folder / "words").write_text(words, encoding="utf-8")
    flags = (*flags, f"-dict={folder}/words")
    own = {} if isinstance(parser.valid[0], (bytes, str)) else {"custom_mutator": change_values(parser)}
    atheris.Setup([maker, *flags, str(corpus)], one, **own)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
