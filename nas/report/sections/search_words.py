"""A search's results in words: winners by budget, accuracy on unseen images, importance of choices."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.files import fields_of, read_json
from nas.hardware import common_unit
from nas.report import html
from nas.report.files import Point, Search, units_of
from nas.report.sections.finalists import finalists, finals
from nas.report.table import milliseconds
from nas.search.results.winners import ACCURACIES, CALIBRATED, images_in_words, is_best

if TYPE_CHECKING:
    from markupsafe import Markup

WINNER, WINNERS, IMPORTANCE, FIELD = "winner.json", "winners.json", "importance.json", "field.json"
_MOST = 8


def details(folder: Path) -> list[Markup]:
    """Returns HTML for a search's folder; files that an older search did not write are left out.

    Raises:
        UserError: If a file cannot be read.
    """
    with fields_of(folder, remedy="search again: nas search"):
        winner = read_json(folder / WINNER)
        parts = [html.paragraph(text) for text in sentences(winner)]
        parts += finalists(folder)
        if (folder / WINNERS).is_file():
            parts += _winners(read_json(folder / WINNERS))
        if (folder / FIELD).is_file():
            parts += field(folder)
        if (folder / IMPORTANCE).is_file():
            parts += _importance(read_json(folder / IMPORTANCE))
    return parts


def sentences(winner: dict[str, Any]) -> list[str]:
    """Describes in sentences how the winner was chosen and how accurate it is."""
    return [
        text
        for text in (
            predicted(winner),
            posterior(winner),
            as_good(winner),
            finals(winner),
            held_out(winner),
        )
        if text
    ]


def posterior(winner: dict[str, Any]) -> str:
    """States the winner's posterior accuracy and what the images can resolve; empty for older searches."""
    value = winner.get("posterior")
    if value is None:
        return ""
    chosen = "was chosen" if winner.get("finals") is None else "became a finalist"
    return (
        f"The search's choice: all {value['evaluations']} evaluations together put its accuracy at "
        f"{_interval(value)}. "
        f"It {chosen} by {images_in_words(value['images'], _objective(value))}, which cannot resolve "
        f"differences below {100 * value['least_difference']:.1f} points."
    )


def as_good(winner: dict[str, Any]) -> str:
    """Explains why the winner is not the most accurate network; empty if it is, or if finals decided."""
    if winner.get("finals") is not None:
        return ""
    names = [each["name"] for each in winner["objectives"]]
    best, value = winner.get("best"), winner.get("posterior")
    if best is None:
        return ""
    own = winner["values"][names[0]] if value is None else value.get("lower", value["accuracy"])
    if best == own:
        return ""
    error, kind = ("error", "") if value is None else ("deviation", "posterior ")
    precision = ACCURACIES.get(names[0], "")
    if winner.get("forecast") is not None:
        return (
            f"{winner['equals']} networks are within the predictor's standard error "
            f"({100 * winner['noise']:.2f} points) of the best, {100 * best:.2f} %; of these, it "
            f"{is_best(names[1])}."
        )
    if value is not None and "lower" in value:
        return (
            f"{winner['equals']} networks have a lower bound of their accuracy{precision} within one "
            f"standard deviation ({100 * winner['noise']:.1f} points) of the best one, {_share(best)}; of "
            f"these, it {is_best(names[1])}."
        )
    return (
        f"{winner['equals']} networks are within one standard {error} ({100 * winner['noise']:.1f} points) "
        f"of the best {kind}accuracy{precision}, {_share(best)}; of these, it {is_best(names[1])}."
    )


def held_out(winner: dict[str, Any]) -> str:
    """Compares seen and unseen accuracy, because selection biases the accuracy on the search's images.

    Empty if no images were unseen.
    """
    again = winner.get("held_out")
    if again is None:
        return ""
    kind = "unseen" if winner.get("finals") is None else "held-out"
    unseen = f"{_interval(again)} on {again['images']} {kind} images"
    seen = winner["values"].get(_objective(again))
    if seen is None:
        how = "not quantised" if "int8_accuracy" in winner["values"] else "with the supernet's weights"
        return f"The search's choice has {unseen}, {how}."
    return (
        f"Selection bias: the search's choice has {_share(seen)}{_precision(again)} on the images that chose "
        f"it and {unseen}, both with the supernet's weights, before scaling and final training."
    )


def _winners(winners: list[dict[str, Any]]) -> list[Markup]:
    if not winners:
        return []
    unit = common_unit(units_of(winners[0]["objectives"]).values())
    head = [
        ("within", unit),
        ("network", ""),
        ("found", ""),
        ("by all evaluations", "95 % interval"),
        ("unseen images", "95 % interval"),
    ]
    return [html.table(head, [("", _winner(each)) for each in winners], texts=3)]


def _winner(value: dict[str, Any]) -> tuple[str, ...]:
    budget = milliseconds(value["budget_ms"])
    if not value["found"]:
        return budget, "none was found", "", "", ""
    units = units_of([*value["objectives"], *value["limits"]])
    values = ", ".join(named(name, number, units[name]) for name, number in value["values"].items())
    accuracies = (value.get("posterior"), value["held_out"])
    return budget, value["code"], values, *(_interval(each) if each else "–" for each in accuracies)


def named(name: str, number: float, unit: str) -> str:
    """Formats an objective's value with its name and unit."""
    if name in ACCURACIES:
        return f"{name} {_share(number)}"
    return f"{name.replace('latency_ms', 'latency').strip('_')} {_cost(number, unit)}"


def _cost(number: float, unit: str) -> str:
    return f"{milliseconds(number)} {unit}" if unit else f"{number:.4g}"


def hypervolume(found: Search, unit: str) -> str:
    """Says how much more than random search the search found, and what the number measures."""
    own = found.hypervolume[-1]
    if not found.random:
        text = f"The search reached {own:.4g}; there is no control by random search."
    elif (chance := found.random[-1]) > 0:
        share = 100 * (own / chance - 1)
        text = (
            f"After {len(found.hypervolume)} networks the search has reached {own:.4g}, random search with "
            f"as many {chance:.4g}: {abs(share):.1f} % {'more' if share >= 0 else 'less'} for the search."
        )
    else:
        text = f"The search has reached {own:.4g}, random search with as many networks nothing."
    return f"{text} {_measures(found, unit)}"


def _measures(found: Search, unit: str) -> str:
    """Explains the hypervolume of two objectives, or of more."""
    if len(found.reference) == 2:
        accuracy, cost = (found.reference[name] for name in found.names)
        corner, kind = shown_point((accuracy, cost), unit), "area"
    else:
        kind = "volume"
        corner = ", ".join(
            named(name, value, found.units.get(name, "")) for name, value in found.reference.items()
        )
    return (
        f"The hypervolume is the {kind} between the front and the point that every network of interest beats "
        f"({corner}): it grows with each network that is better than all before."
    )


def shown_point(point: Point, unit: str) -> str:
    """Formats accuracy and cost in words."""
    accuracy, cost = point
    return f"{100 * accuracy:.1f} % at {_cost(cost, unit)}"


def found(search: Search, unit: str) -> str:
    """Describes how many networks were compared, and by what; then the winner."""
    point, front = shown_point(search.winner, unit), len(search.front)
    if search.names[0] == CALIBRATED:
        return (
            f"{search.evaluations} networks evaluated with the supernet's weights, {front} on the front by "
            "the accuracies that networks trained alone let expect after training. The search's choice: "
            f"{point}."
        )
    if search.forecast is None:
        return (
            f"{search.evaluations} networks evaluated with the supernet's weights, {front} on the front by "
            f"their counts. The search's choice has {point} on the images of the search."
        )
    return (
        f"{search.evaluations} networks within the bounds, {front} on the front. Their accuracies are "
        f"predicted, those of {len(search.extrapolated)} on the front extrapolated. The search's choice: "
        f"{point}."
    )


def predicted(winner: dict[str, Any]) -> str:
    """States how accuracies are predicted, and how well; empty if they are those of images."""
    value = winner.get("forecast")
    if value is None:
        return ""
    kind = winner["prediction"]
    return (
        f"The accuracy of the search's choice is {kind}. {value['about']} ({value['labels']}; "
        f"{value['source']}). The predictor's mean error on networks not seen is "
        f"{100 * value['error']:.2f} points, its rank correlation {value['kendall_tau']:.3f} (Kendall). "
        "Extrapolated accuracies have an unknown error: "
        "these networks have another resolution, are larger or smaller than every published one, or are "
        "unlike them."
    )


def field(folder: Path) -> list[Markup]:
    """Shows published networks beside some of the front, measured together."""
    value = read_json(folder / FIELD)
    head = [("network", ""), ("from", ""), ("accuracy", ""), ("top-1", "%"), ("measured", value["unit"])]
    rows = [
        (
            "winner" if row["best"] else "",
            (
                row["network"],
                row["from"],
                row["accuracy"],
                f"{100 * row['top1']:.1f}",
                "{value:.3f} ({low:.3f} to {high:.3f})".format(**row["latency"]),
            ),
        )
        for row in value["networks"]
    ]
    note = (
        "Published networks and some of the front, measured in the same rounds, with 95 % intervals. No "
        "other network here is as fast and more accurate than one in bold. Accuracies of the field on "
        f"{value['data']} were published; they come from several training recipes."
    )
    if value["disturbed"]:
        note += f" The measurement was disturbed: {value['disturbed']}."
    return [html.table(head, rows, texts=3), html.paragraph(note, kind="note")]


def _importance(importance: dict[str, dict[str, float]]) -> list[Markup]:
    """Shows the choices that affect the first objective most."""
    if not importance:
        return []
    name, shares = next(iter(importance.items()))
    most = list(shares.items())[:_MOST]
    longest = max(*shares.values(), 1e-9)
    rows = [(choice, "k0", 100 * share / longest, f"{100 * share:.0f} %") for choice, share in most]
    note = (
        f"Each choice's share of the variation of {name} that an additive model explains among the "
        "evaluated networks. Interactions between choices are ignored."
    )
    title = html.heading("Which choices matter", level=3)
    return [title, html.bars(rows), html.paragraph(note, kind="note")]


def _share(value: float) -> str:
    return f"{100 * value:.1f} %"


def _interval(held_out: dict[str, Any]) -> str:
    low, high = held_out["interval"]
    return f"{_share(held_out['accuracy'])} ({100 * low:.1f} to {100 * high:.1f}){_precision(held_out)}"


def _objective(held_out: dict[str, Any]) -> str:
    """Returns the accuracy that was measured again; older searches never used INT8."""
    return str(held_out.get("objective", "accuracy"))


def _precision(held_out: dict[str, Any]) -> str:
    return ACCURACIES.get(_objective(held_out), "")
