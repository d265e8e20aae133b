"""Parsers of text: codes, keys, durations, hosts, YAML, CSV, overrides of settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from hydra import compose, initialize_config_dir

from nas.blocks import parse_key
from nas.cli.hydra import schema
from nas.cli.hydra.errors import is_fault, make_user_error
from nas.config import seconds
from nas.latency.estimate.networks_file import read_networks
from nas.latency.targets import Target, open_transport
from nas.space import SearchSpace
from nas.space.reading import read_yaml
from tests.fuzz.parsers import Maker, Parser, largest, of_files, of_text, space, yaml_of


def architecture_codes(folder: Path) -> Parser[str]:
    tiny = space("tiny_32")
    return of_text("architecture codes", codes(tiny), tiny.parse, 2.0)


def codes_of_several_kinds(folder: Path) -> Parser[str]:
    mixed = space("mixed_32")
    return of_text("architecture codes of several kinds", codes(mixed), mixed.parse, 2.0)


def codes(of: SearchSpace) -> tuple[str, ...]:
    """The codes of some networks."""
    rng = np.random.default_rng(0)
    return tuple(str(of.sample(rng)) for _ in range(4))


def block_keys(folder: Path) -> Parser[str]:
    keys = tuple(block.key for block in largest(space("mixed_32")).blocks)
    return of_text("block keys", keys, parse_key, 4.0)


def durations(folder: Path) -> Parser[str]:
    return of_text("durations", ("90s", "5m", "1.5h", " 2 s"), seconds, 4.0)


def hosts(folder: Path) -> Parser[str]:
    def parse(host: str) -> object:
        return open_transport(Target(host=host, binary=folder if host.startswith("adb") else None))

    valid = ("user@pi", "local:", "adb:", "adb:R58M42", "pi.local", "root@10.0.0.2")
    return of_text("hosts", valid, parse, 2.0)


def spaces_as_yaml(folder: Path) -> Parser[bytes]:
    def parse(path: Path) -> object:
        return SearchSpace(**read_yaml(path))

    valid = (yaml_of("tiny_32"), yaml_of("mixed_32"))
    return of_files("spaces as YAML", valid, folder / "space.yaml", parse, 0.02)


def measured_networks(folder: Path) -> Parser[bytes]:
    tiny = space("tiny_32")
    rng = np.random.default_rng(0)
    rows = "".join(f"{tiny.sample(rng)},{1 + number}\n" for number in range(12))
    table = f"architecture,latency_ms\n{rows}"
    valid = (table.encode(), table.replace(",", ";").encode())
    file = folder / "networks.csv"
    return of_files("measured networks as CSV", valid, file, lambda path: read_networks(tiny, path), 0.3)


OVERRIDES = (
    "train.epochs=3\ntrain.learning_rate=0.1",
    "+search.bounds.latency_ms=2.5\nsearch.trials=10",
    "experiment=quickstart\ndata=digits",
    "space=tiny_32\ndevice=this_machine\nsearch.objectives=[accuracy,latency]",
    "tracker=wandb\ntracker.project=a",
    "train.epochs=${search.trials}\nseed=1",
    "+device.provider_options.name='b c'\nrun_dir=runs/x",
    "table.budget=4m\n++search.options={population: 8}\nsearch.sampler=nsga2",
    "device=pixel_6\ndevice.batch=4\ndevice.threads=2\nexport.formats=[onnx]",
)
"""Command lines, an override on each line."""


def overrides(folder: Path) -> Parser[str]:
    schema.register()

    def parse(text: str) -> object:
        given = text.split("\n")
        try:
            with initialize_config_dir(schema.conf_dir(), version_base=schema.VERSION_BASE):
                return schema.typed(compose(schema.CONFIG_NAME, given))
        except Exception as error:
            if not is_fault(error):
                raise
            raise make_user_error(error, overrides=given) from None

    return of_text("overrides", OVERRIDES, parse, 0.02)


MAKERS: tuple[Maker, ...] = (architecture_codes, codes_of_several_kinds, block_keys, durations, hosts)
MAKERS += (spaces_as_yaml, measured_networks, overrides)


def parsers(folder: Path) -> list[Parser[Any]]:
    """All of them; those of files read them from ``folder``."""
    return [make(folder) for make in MAKERS]
