"""What networks have before their final training: the weights of the supernet or of others, a teacher."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

from nas.cli.steps.context import Context, prefixed
from nas.cli.steps.final.entries import PRETRAINED, SCRATCH, SUPERNET, Entry, baseline_weights
from nas.cli.steps.supernet import supernet as supernet_step
from nas.errors import UserError, unknown
from nas.files import fields_of, read_json
from nas.network import NetworkSpec
from nas.search.results.results import read_winner

if TYPE_CHECKING:
    from collections.abc import Callable

    from nas.nn import StaticNetwork
    from nas.pretrained import Located, Start
    from nas.pretrained.network_start import NetworkStart
    from nas.training.data import Normalization
    from nas.training.distillation import Teacher
    from nas.training.prepared import Prepared

INITS = (SCRATCH, SUPERNET, PRETRAINED)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Beginning:
    """What a network has before its training.

    Attributes:
        data: The images, normalised as the weights expect.
        model: A network whose weights it inherits; ``None`` for none.
        classifier: Whether it inherits the classifier too.
        origin: Who published the weights, as JSON values; ``None`` if nobody but the run itself.
    """

    data: Prepared
    model: StaticNetwork | None = None
    classifier: bool = True
    origin: Mapping[str, str] | None = None


def check(context: Context) -> None:
    """Checks where weights and teacher come from."""
    config = context.config.finish
    if config.init not in INITS:
        raise unknown("finish.init", config.init, INITS)
    if config.init == PRETRAINED and context.config.train.init is None:
        raise UserError("finish.init is pretrained, but train.init names no weights; set train.init")
    if config.distill not in ("soft", "alpha"):
        raise unknown("finish.distill", config.distill, ("soft", "alpha"))
    if not 0 < config.teacher_share <= 1:
        raise UserError(
            f"finish.teacher_share is {config.teacher_share}; give the teacher's share of the loss, above 0 "
            "and at most 1"
        )
    _teacher_files(context)


def inputs(context: Context) -> dict[str, Path]:
    """Returns the files that the networks start from, and the teacher's."""
    config, files = context.config.finish, dict[str, Path]()
    if config.uses_supernet:
        files["supernet's weights"] = context.path(supernet_step.FOLDER, "weights.safetensors")
    if config.init == PRETRAINED:
        files |= supernet_step.initial_files(context)
    if config.init != SCRATCH and config.network is None:
        files["search's winner"] = context.path("search", "winner.json")
    for what, located in (("baseline", baseline_weights(context)), ("teacher", _teacher_files(context))):
        if located is not None:
            files |= {f"{what}'s {name}": path for name, path in located.files.items()}
    return files


def beginning(context: Context, entry: Entry) -> Beginning:
    """Returns what a network has before its training."""
    if entry.init == SCRATCH:
        return Beginning(data=context.data)
    if entry.role == "baseline":
        return _of_baseline(context, entry)
    if entry.init == SUPERNET:
        evaluator = supernet_step.evaluator(context)
        return Beginning(
            data=context.data,
            model=_taken(context, entry.network, evaluator.extract),
            origin=_origin_of_supernet(context),
        )
    start = supernet_step.initial_weights(context)
    supernet, inherited = supernet_step.begun(context, start)
    return Beginning(
        data=context.data_for(start),
        model=_taken(context, entry.network, supernet.extract),
        classifier=inherited.classifier,
        origin=start.origin.to_dict(),
    )


def _taken(
    context: Context, network: NetworkSpec, extract: Callable[[NetworkSpec], StaticNetwork]
) -> StaticNetwork:
    """Returns the network whose weights a network inherits.

    A network of the space inherits its own part of the supernet, a scaled one that of the search's winner.
    """
    try:
        return extract(network)
    except UserError as misfit:
        if context.config.finish.network is not None:
            raise UserError(
                f"finish.init={context.config.finish.init}: {misfit}; set finish.init=scratch, or name a "
                "network of the space"
            ) from None
    return extract(read_winner(context.path("search")).network)


def _of_baseline(context: Context, entry: Entry) -> Beginning:
    located = baseline_weights(context)
    assert located is not None
    start = _network(located, setting="finish.baseline")
    return Beginning(
        data=context.data_for(start),
        model=start.adapted(entry.network),
        classifier=start.has(context.data.splits.classes),
        origin=start.origin.to_dict(),
    )


def _origin_of_supernet(context: Context) -> dict[str, str] | None:
    """Returns where the supernet's first weights came from; ``None`` if it was trained from scratch."""
    path = context.path(supernet_step.FOLDER, "supernet.json")
    init = read_json(path).get("init")
    with fields_of(path, remedy="train the supernet again: nas train"):
        return init and {name: str(init[name]) for name in ("name", "source", "licence", "sha256")}


def teacher(context: Context) -> Teacher | None:
    """Returns the network that all networks learn from.

    Raises:
        UserError: If it has other classes or channels than the images.
    """
    from nas.training.distillation import Teacher

    config = context.config.finish
    if config.teacher is None:
        return None
    model, normalize = _supernet_teacher(context) if config.teacher == SUPERNET else _other_teacher(context)
    model = model.to(context.compute.device).eval()
    return Teacher(model=model, distill=config.distill, share=config.teacher_share, normalize=normalize)


def _supernet_teacher(context: Context) -> tuple[StaticNetwork, Normalization]:
    space, evaluator = context.space, supernet_step.evaluator(context)
    return evaluator.extract(space.network(space.largest())), evaluator.normalize


def _other_teacher(context: Context) -> tuple[StaticNetwork, Normalization]:
    from nas.training.data import Normalization

    located, setting = _teacher_files(context), f"finish.teacher={context.config.finish.teacher}"
    assert located is not None
    start, splits = _network(located, setting=setting), context.data.splits
    network, channels = start.pretrained.network, splits.channels
    if not start.has(splits.classes):
        raise UserError(
            f"{setting}: its {network.classes} classes are not the {len(splits.classes)} of the images; "
            "name a network that was trained for these classes, or set finish.teacher=supernet"
        )
    if network.input_channels != channels:
        raise UserError(
            f"{setting}: it takes images with {network.input_channels} channels, not {channels}; set "
            f"data.channels={network.input_channels}"
        )
    prepared = start.preprocessing
    return start.pretrained.model, Normalization(mean=prepared.mean, std=prepared.std)


def _teacher_files(context: Context) -> Located | None:
    """Returns the files of a teacher that is not the supernet; ``None`` for none.

    Raises:
        UserError: If they do not exist.
    """
    from nas.pretrained import locate

    name = context.config.finish.teacher
    if name in (None, SUPERNET):
        return None
    with prefixed("finish.teacher: "):
        return locate(name, store=supernet_step.store(context))


def _network(located: Located, *, setting: str) -> NetworkStart:
    """Reads the weights of a single network.

    Raises:
        UserError: If they are damaged, or those of a supernet.
    """
    from nas.pretrained.network_start import NetworkStart

    with prefixed(f"{setting}: "):
        start: Start = located.read()
        if not isinstance(start, NetworkStart):
            raise UserError(f"{start.origin.name} is a supernet; name a file of a single network")
    return start
