"""``nas explore``: writes the page on which the choices of a space are moved."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from nas import resources
from nas.cli.hydra.command import Job
from nas.cli.screen import say
from nas.config import Config
from nas.errors import UserError, unknown
from nas.files import read_json, read_yaml
from nas.hardware import Device
from nas.latency import LatencyTable, load_table
from nas.latency.models.blocks import BlockModel
from nas.network import NetworkSpec
from nas.report.explorer import Explored, write_explorer
from nas.report.explorer.accuracy import additive_model
from nas.report.explorer.costs import Target
from nas.report.files import WINNER, read_latency_table
from nas.space import Architecture, SearchSpace

_CLASSES = (1000, 100, 10)


def explore(config: Config, job: Job) -> None:
    """Writes the explorer of the configured spaces; a run's table, winner and evaluations make it better.

    No provenance is recorded, because the page follows from the settings and the run alone.
    """
    names = [config.space] if config.explore.spaces is None else config.explore.spaces
    if not names or len(set(names)) < len(names):
        raise UserError("explore.spaces names no space, or one twice; name each once: explore.spaces=[A,B]")
    shown = [_explored(config, name, job.run_dir) for name in names]
    page = job.run_dir / "explore" / f"{shown[0].space.name}.html"
    write_explorer(page, shown)
    for each in shown:
        estimated = sum(target.estimated for target in each.targets)
        measured = len(each.targets) - estimated
        say(f"explore: {each.space.name}, {measured} measured tables, {estimated} estimated devices")
    say(f"written: {page}")


def _explored(config: Config, name: str, run_dir: Path) -> Explored:
    """Reads a space, and what a run of it knows."""
    space = SearchSpace.load(resources.find("search_spaces", name, ".yaml", what="search space"))
    winner, network = _winner(run_dir, space, warns=name == config.space)
    tables = list(_tables(config.explore.tables, space, run_dir))
    targets = [Target(table, estimated=False, named=table.name) for table in tables]
    targets += [
        Target(_estimates(device, space), estimated=True, named=device.name)
        for device in _devices(config.explore.devices)
    ]
    return Explored(
        space=space,
        name=name,
        targets=targets,
        classes=config.explore.classes or (network.classes if network else _classes(space, tables)),
        input_channels=network.input_channels if network else None,
        winner=winner,
        accuracy=None if winner is None else additive_model(run_dir, space),
    )


def _winner(
    run_dir: Path, space: SearchSpace, *, warns: bool
) -> tuple[Architecture | None, NetworkSpec | None]:
    """Returns the winner of the run's search, if there is one of this space."""
    if not (run_dir / WINNER).is_file():
        return None, None
    value: dict[str, Any] = read_json(run_dir / WINNER)
    with suppress(UserError, KeyError, TypeError):
        arch = space.canonical(Architecture.from_dict(value["architecture"]))
        network = NetworkSpec.from_dict(value["network"])
        made = space.network(arch, classes=network.classes, input_channels=network.input_channels)
        if made.blocks == network.blocks:
            return arch, network
    if warns:
        say(
            f"explore: warning: the search in {run_dir} is not of the space {space.name} as it is now; "
            "left out"
        )
    return None, None


def _tables(names: list[str] | None, space: SearchSpace, run_dir: Path) -> Iterator[LatencyTable]:
    """Yields the run's table, then the named ones, or by default the shipped ones of the space."""
    own = read_latency_table(run_dir)
    if own is not None and own.space == space.name and isinstance(own.model, BlockModel):
        yield own
    for name in names if names is not None else resources.names("latency_tables", ".json"):
        table = load_table(name)
        if not isinstance(table.model, BlockModel):
            if names is not None:
                raise UserError(f"the table {name} has whole networks only; name a table of blocks")
        elif names is not None or table.space == space.name:
            yield table


def _devices(names: list[str] | None) -> Iterator[Device]:
    """Yields devices with known peaks: the named ones, or by default all that ship."""
    folder = "conf/device"
    for name in names if names is not None else resources.names(folder, ".yaml"):
        device = _device(name)
        if device.precision in dict(device.peak_flops) and device.bandwidth_bytes_per_s is not None:
            yield device
        elif names is not None:
            raise UserError(f"the peaks of the device {name} are unknown; name another, or a table of it")


def _device(name: str) -> Device:
    folder = "conf/device"
    if name not in resources.names(folder, ".yaml"):
        raise unknown("device", name, resources.names(folder, ".yaml"))
    path = resources.find(folder, name, ".yaml", what="device")
    value = read_yaml(path)
    rates = {key: float(rate) for key, rate in value.get("peak_flops", {}).items()}
    bandwidth = value.get("bandwidth_bytes_per_s")
    value |= {"peak_flops": rates, "bandwidth_bytes_per_s": None if bandwidth is None else float(bandwidth)}
    return Device.from_dict(value)


def _estimates(device: Device, space: SearchSpace) -> LatencyTable:
    """Returns an empty table; the page's blocks are estimated when they are known."""
    return LatencyTable(name=device.name, device=device, space=space.name, model=BlockModel({}))


def _classes(space: SearchSpace, tables: list[LatencyTable]) -> int:
    """Returns the number of classes whose classifier the first table knows."""
    for classes in _CLASSES:
        network = space.network(space.smallest(), classes=classes)
        if tables and not tables[0].model.missing([network.blocks[-1]]):
            return classes
    return _CLASSES[0]
