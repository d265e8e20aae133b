"""What a comparison reads of each run, and which runs repeat one experiment with other seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from nas.errors import UserError
from nas.files import read_yaml
from nas.network import NetworkSpec
from nas.report.files import PARETO, TRIALS, WINNER, Search, read_latency_table, read_search, winner_network
from nas.report.results import RESULTS, Row, read_table

_OWN = ("seed", "run_dir", "name")
"""Settings that runs of one experiment do not share."""

_UNDECISIVE = ("tracker.", "checkpoint.")
"""Parts of the settings that decide no result."""

_DATA = ("data.name", "data.root", "data.validation_fraction", "data.test_fraction", "data.max_train_images")


@final
@dataclass(frozen=True)
class Compared:
    """One run of a comparison.

    Attributes:
        name: Its name in the page, unique there.
        folder: Its folder.
        settings: Its resolved settings, by dotted name; empty if the run has no readable configuration.
        search: Its search, if it has one.
        rows: Its trained networks; none without them.
        network: Its winner, if there is one.
        device: Where its latencies come from, in words; empty if unknown.
    """

    name: str
    folder: Path
    settings: Mapping[str, Any]
    search: Search | None
    rows: Sequence[Row]
    network: NetworkSpec | None
    device: str

    @property
    def winner(self) -> Row | None:
        """The trained winner."""
        return next((row for row in self.rows if row.role == "winner"), None)

    @property
    def data(self) -> tuple[Any, ...]:
        """What decides which images it was judged by, apart from the seed."""
        return tuple(self.settings.get(name) for name in _DATA)

    @property
    def experiment(self) -> tuple[tuple[str, str], ...]:
        """Its settings apart from the seed and names: equal for runs of one experiment."""
        decisive = {name: value for name, value in self.settings.items() if not name.startswith(_UNDECISIVE)}
        return tuple(sorted((name, repr(value)) for name, value in decisive.items() if name not in _OWN))


def read_runs(folders: Sequence[Path]) -> list[Compared]:
    """Reads the runs.

    Raises:
        UserError: If there are fewer than two, one stands twice, or a folder holds no run.
    """
    if len(folders) < 2:
        raise UserError(f"a comparison needs two runs, not {len(folders)}: compare.runs=[runs/A,runs/B]")
    resolved = [folder.resolve() for folder in folders]
    if len(set(resolved)) < len(resolved):
        raise UserError("a run stands twice in compare.runs; name each once")
    for folder in folders:
        if not (folder / "config.yaml").is_file():
            raise UserError(f"{folder} holds no run; name run folders: compare.runs=[runs/A,runs/B]")
    return [_read(folder, name) for folder, name in zip(folders, _names(resolved), strict=True)]


def _names(folders: Sequence[Path]) -> list[str]:
    """The folders' names, with as much of their paths as makes them different."""
    for count in range(1, 32):
        names = ["/".join(folder.parts[-count:]) for folder in folders]
        if len(set(names)) == len(names):
            return names
    return [str(folder) for folder in folders]


def _read(folder: Path, name: str) -> Compared:
    search = network = None
    rows: Sequence[Row] = ()
    with suppress(UserError):
        if all((folder / path).is_file() for path in (PARETO, WINNER, TRIALS)):
            search = read_search(folder)
    with suppress(UserError):
        rows = read_table(folder) if (folder / RESULTS).is_file() else ()
    with suppress(UserError, KeyError, TypeError):
        found = winner_network(folder)
        network = None if found is None else found[1]
    return Compared(name, folder, dict(_settings(folder)), search, rows, network, _device(folder))


def _settings(folder: Path) -> Iterator[tuple[str, Any]]:
    with suppress(OSError, UserError):
        yield from _flat(read_yaml(folder / "config.yaml"))


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for name, each in value.items():
            yield from _flat(each, f"{prefix}{name}.")
    elif prefix:
        yield prefix.removesuffix("."), value


def _device(folder: Path) -> str:
    with suppress(UserError):
        table = read_latency_table(folder)
        if table is not None:
            device = table.device
            parts = [device.machine or device.name, device.runtime, device.precision, f"batch {device.batch}"]
            return ", ".join([*parts, f"threads {device.threads}"])
    return ""


def groups_of(runs: Sequence[Compared]) -> list[list[Compared]]:
    """Returns the runs by experiment, in the order of their first runs."""
    found: dict[tuple[tuple[str, str], ...], list[Compared]] = {}
    for run in runs:
        found.setdefault(run.experiment, []).append(run)
    return list(found.values())


def name_of(group: Sequence[Compared]) -> str:
    """Returns the name of an experiment: that of its first run, and the number of its seeds."""
    return f"{group[0].name} ({len(group)} seeds)"


def differing(runs: Sequence[Compared]) -> list[tuple[str, list[str]]]:
    """Returns the settings that differ, each with its value in each run; a dash where a run has none."""
    names = dict.fromkeys(name for run in runs for name in run.settings if name not in ("run_dir", "name"))
    lines = [(name, [_shown(run.settings, name) for run in runs]) for name in names]
    return [(name, values) for name, values in lines if len(set(values)) > 1]


def _shown(settings: Mapping[str, Any], name: str) -> str:
    return "–" if name not in settings else "null" if settings[name] is None else str(settings[name])
