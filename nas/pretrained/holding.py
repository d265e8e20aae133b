"""Whether a search space holds a network: whether its supernet can take the network's weights."""

from __future__ import annotations

from dataclasses import replace

from nas import resources
from nas.blocks import BlockSpec
from nas.errors import UserError
from nas.network import NetworkSpec, Place
from nas.nn.capacity import Capacities, fixed_fields
from nas.space import SearchSpace


def aligned(network: NetworkSpec, space: SearchSpace) -> NetworkSpec:
    """The same network, with the blocks of its first stages and its stem divided as in the space.

    A publication counts its first block as a stage, a space as part of the stem, or the reverse.
    """
    stem, stages = network.stem, network.stages
    while len(stem) < len(space.stem) and stages:
        stem, stages = (*stem, *stages[0]), stages[1:]
    while len(stem) > len(space.stem) > 0:
        stem, stages = stem[:-1], (stem[-1:], *stages)
    return replace(network, stem=stem, stages=stages, resolution=max(space.resolutions))


def check_holds(space: SearchSpace, network: NetworkSpec, *, name: str) -> None:
    """Checks that the supernet of a space can take the weights of a network.

    Args:
        space: The space.
        network: The network.
        name: Its name, for the message.

    Raises:
        UserError: If it cannot. The message names the first field that does not fit, and a space that holds
            the network, if one of ``search_spaces/`` does.
    """
    if (reason := misfit(space, network)) is None:
        return
    other = nearest_space(network)
    remedy = f"set space={other}" if other else "name another network, or write a space that holds it"
    raise UserError(f"the space {space.name} does not hold {name}: {reason}; {remedy}")


def misfit(space: SearchSpace, network: NetworkSpec) -> str | None:
    """The first place and field of a network that a space does not hold; ``None`` if it holds all."""
    try:
        source = aligned(network, space)
        placed = dict(source.placed_blocks)
        Capacities.of(space, classes=source.classes, input_channels=source.input_channels).check(source)
    except UserError as error:
        return str(error)
    largest = space.network(space.largest(), classes=source.classes, input_channels=source.input_channels)
    for place, spec in largest.placed_blocks:
        if place in placed and (reason := _other_layers(placed[place], spec, place)):
            return reason
        is_deeper = place.section == "stages" and place.index > 0
        if place not in placed and not is_deeper:
            return f"{place}: the space has {spec.KIND} there, the network nothing"
    return None


def _other_layers(source: BlockSpec, largest: BlockSpec, place: Place) -> str | None:
    """Names what two blocks at a place do differently, beside their sizes."""
    for name in ("KIND", *fixed_fields(source)) if source.KIND == largest.KIND else ("KIND",):
        if (here := getattr(largest, name)) != (value := getattr(source, name)):
            return f"{place}: {name.lower()} is {value}; the space's largest network has {here}"
    own, theirs = ({op.role for op in spec.ops if op.role} for spec in (source, largest))
    if own == theirs:
        return None
    role = min(own ^ theirs)
    has, lacks = (
        ("the network", "the space's largest") if role in own else ("the space's largest", "the network")
    )
    return f"{place}: {has} has the layer {role!r}, {lacks} has not"


def nearest_space(network: NetworkSpec) -> str | None:
    """The space of ``search_spaces/`` with the smallest largest network among those that hold a network."""
    sizes = {}
    for name in resources.names("search_spaces", ".yaml"):
        try:
            space = SearchSpace.load(resources.find("search_spaces", name, ".yaml", what="search space"))
        except UserError:
            continue  # a user's space that cannot be read is reported when it is used
        if misfit(space, network) is None:
            sizes[name] = space.network(space.largest()).params
    return min(sizes, key=lambda name: sizes[name], default=None)
