"""``nas cost``: shows a network's cost by block, and its bottleneck on a device."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from nas import resources
from nas.cli.hydra.command import Job
from nas.cli.screen import say
from nas.cli.steps.table.table import known_peaks
from nas.config import Config, CostConfig, SavingsConfig
from nas.errors import UserError, unknown
from nas.hardware import Device
from nas.network import NetworkSpec, reference_names
from nas.space import SearchSpace

DEFAULT_CLASSES = 1000


def cost(config: Config, job: Job) -> None:
    """Prints the table of blocks and writes the roofline; if only ``cost.savings`` is set, the savings alone.

    No provenance is recorded, because the numbers follow from the settings alone.
    """
    sizes = _savings(config.cost.savings)
    if config.network is not None or sizes is None:
        _show_cost(config, job.run_dir / "cost")
    if sizes is not None:
        _show_savings(sizes, job.run_dir / "cost")


def _show_cost(config: Config, folder: Path) -> None:
    from nas.report.cost import network_cost, summary, text_table
    from nas.report.cost_page import write_cost

    name, network = chosen_network(config)
    device = known_peaks(Device(**dataclasses.asdict(config.device)))
    costs = network_cost(network, name=name, device=device)
    first, *where = summary(costs)
    say("\n".join([first, "", text_table(costs), "", *where]))
    for path in write_cost(costs, folder / f"{_file_name(name)}-{costs.device.name}"):
        say(f"written: {path}")


def _show_savings(sizes: dict[str, int], folder: Path) -> None:
    from nas.report.figures.savings import write_savings
    from nas.report.savings import forms, sentences

    say("\n".join(sentences(forms(**sizes))))
    name = "savings-{kernel}x{kernel}-{in_channels}-{out_channels}-{height}x{width}.svg".format(**sizes)
    say(f"written: {write_savings(folder / name, **sizes)}")


def chosen_network(config: Config) -> tuple[str, NetworkSpec]:
    """Returns the network's label and the network that ``network`` selects.

    Raises:
        UserError: If no such network exists, or a setting does not apply to it.
    """
    name, settings = config.network, config.cost
    if name in reference_names():
        return name, _reference(name, settings)
    if settings.width is not None:
        raise UserError(
            f"cost.width={settings.width:g} scales reference networks only, and "
            f"{name or 'the largest network'} is none; leave it out, or choose one of "
            + ", ".join(reference_names())
        )
    if name is not None and name.endswith(".json"):
        from nas.report.cost import find_network

        return Path(name).stem, _changed(find_network(name), settings)
    label, network = _of_space(name, config.space)
    return label, _changed(dataclasses.replace(network, classes=DEFAULT_CLASSES), settings)


def _reference(name: str, settings: CostConfig) -> NetworkSpec:
    from nas.report.cost import find_network

    return find_network(
        name,
        resolution=settings.resolution,
        width=1.0 if settings.width is None else settings.width,
        classes=DEFAULT_CLASSES if settings.classes is None else settings.classes,
        input_channels=3 if settings.input_channels is None else settings.input_channels,
    )


def _of_space(code: str | None, space_name: str) -> tuple[str, NetworkSpec]:
    """Returns the label and the network with that code, or the space's largest network."""
    path = resources.find("search_spaces", space_name, ".yaml", what="search space")
    space = SearchSpace.load(path)
    if code is None:
        return f"the largest network of {space.name}", space.network(space.largest())
    if not re.match(r"r\d+-|d\d+:|d\d+-", code):
        hint = f"An architecture code of the space {space.name} or the path of a JSON file will do too"
        raise unknown("network", code, reference_names(), hint=hint)
    return f"{code} of {space.name}", space.network(space.parse(code))


def _changed(network: NetworkSpec, settings: CostConfig) -> NetworkSpec:
    """Returns the network with the configured sizes; unset sizes stay as they are."""
    names = ("resolution", "classes", "input_channels")
    values = {name: getattr(settings, name) for name in names if getattr(settings, name) is not None}
    network = dataclasses.replace(network, **values)
    network.blocks  # noqa: B018 - reports a resolution that is too low
    return network


def _savings(settings: SavingsConfig) -> dict[str, int] | None:
    """Returns the sizes for the plot of savings; ``None`` if none are set."""
    sizes = dataclasses.asdict(settings)
    missing = [f"cost.savings.{name}" for name, value in sizes.items() if value is None]
    if len(missing) == len(sizes):
        return None
    if missing:
        verb = "has" if len(missing) == 1 else "have"
        raise UserError(f"{', '.join(missing)} {verb} no value; the savings need all of " + ", ".join(sizes))
    return sizes


def _file_name(name: str) -> str:
    """Replaces the characters that some systems do not allow in a folder's name."""
    return re.sub(r"[^\w.+-]+", "-", name.removeprefix("the "))[:120]
