"""The commands: each builds its step from the configuration and executes it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType

from nas import resources
from nas.cli.bars import stages
from nas.cli.hydra.command import Command, Job
from nas.cli.processes import place, together
from nas.cli.screen import CONSOLE, say
from nas.cli.steps.compare import compare
from nas.cli.steps.context import Context
from nas.cli.steps.cost import cost
from nas.cli.steps.explore import explore
from nas.cli.steps.final import budget as _budget
from nas.cli.steps.final import export as _export
from nas.cli.steps.final import finish as _finish
from nas.cli.steps.final import formats as _formats
from nas.cli.steps.final import scale as _scale
from nas.cli.steps.measure import measure
from nas.cli.steps.same_images import check_images
from nas.cli.steps.search import search as _search
from nas.cli.steps.supernet import supernet as _supernet
from nas.cli.steps.supernet import trust as _trust
from nas.cli.steps.table import kit as _kit
from nas.cli.steps.table import table as _table
from nas.config import Config
from nas.errors import UserError, unknown
from nas.masking import masked_values
from nas.pipeline import Step, check_inputs
from nas.plugins import load_plugins
from nas.provenance import RECORD as PROVENANCE
from nas.provenance import write_provenance
from nas.tracking import Guard, make_tracker


@contextmanager
def _context(
    config: Config, job: Job, parts: Sequence[ModuleType], *, tracked: ExitStack
) -> Iterator[Context]:
    """Yields a run's context: checked, tracked, with a provenance record.

    A new run folder gets its record at once; an older record is replaced only after success. The end of
    ``tracked`` ends the tracking.
    """
    values = masked_values(dataclasses.asdict(config))
    leads = place().leads
    tracker = Guard(inner=make_tracker(dataclasses.asdict(config.tracker) if leads else {"name": "none"}))
    context = Context(config, job.run_dir, tracker)
    context.space  # noqa: B018 - reports an invalid space before anything is read or written
    for part in parts:  # check the other settings early too
        part.check(context)
    first = parts[0].step(context)
    _check_inputs(first, job.run_dir)
    check_images(context, first)
    files = outside_files(context)

    def record() -> None:
        write_provenance(
            job.run_dir,
            command=job.command,
            overrides=job.overrides,
            seed=config.seed,
            config=values,
            inputs=files,
        )

    is_new = not (job.run_dir / PROVENANCE).exists()
    if is_new and leads:
        if foreign := foreign_files(job.run_dir):
            shown = ", ".join([*foreign[:3], *(["…"] if foreign[3:] else [])])
            say(f"warning: {job.run_dir} holds {shown} but no run; the run is written beside them")
        record()
    tracked.callback(tracker.finish)
    tracker.start(config=values, run_dir=job.run_dir, name=job.run_dir.name)
    with together(config.compute.torch_device):
        yield context
    if not is_new and leads:
        record()


_MAKERS = {
    "supernet": "train",
    "table": "table",
    "search": "search",
    "scale": "scale",
    "final": "finish",
    "deploy": "export",
}
"""Maps each folder of a run to the command that makes it."""


def _check_inputs(step: Step, run_dir: Path) -> None:
    """Checks that a command's input files exist; the message names the command that makes a missing one."""
    for name, path in step.inputs.items():
        folder = path.relative_to(run_dir).parts[0] if path.is_relative_to(run_dir) else ""
        if folder in _MAKERS and not path.is_file():
            raise UserError(
                f"{step.name} needs the {name}, but {path} does not exist; `nas {_MAKERS[folder]}` makes it, "
                "or name the run_dir that holds it"
            )
    check_inputs(step)


_OURS = ("nas.log", "config.yaml", "compare", "cost", "explore", "measured", "multirun.yaml")
"""Files that multiruns and commands without a provenance record write."""


def foreign_files(folder: Path) -> list[str]:
    """Lists the entries of a folder that no ``nas`` command made, except hidden files."""
    return sorted(
        path.name
        for path in folder.iterdir()
        if not path.name.startswith(".") and path.name not in _OURS and not (path / PROVENANCE).exists()
    )


def outside_files(context: Context) -> dict[str, Path]:
    """Lists the files outside the run folder that its results depend on."""
    modules = load_plugins(context.config.modules)
    files = {"search space": context.space_path, **{f"module {name}": path for name, path in modules.items()}}
    files |= _supernet.initial_files(context)
    if not _table.is_made(context):
        files["latency table"] = _table.path(context)
    return files


def _single(part: ModuleType) -> Callable[[Config, Job], None]:
    def body(config: Config, job: Job) -> None:
        with ExitStack() as tracked, _context(config, job, [part], tracked=tracked) as context:
            context.execute(part.step(context))

    return body


train = _single(_supernet)
trust = _single(_trust)
kit = _single(_kit)
search = _single(_search)
scale = _single(_scale)
finish = _single(_finish)
export = _single(_export)


def table(config: Config, job: Job) -> None:
    """Makes a latency table."""
    requested = config.table.name
    if requested not in (None, _table.ROOFLINE):
        if not Path(requested).is_file() and requested not in resources.names("latency_tables", ".json"):
            hint = "Leave table= out to measure one"
            raise unknown("table to make", requested, [_table.ROOFLINE], hint=hint)
        raise UserError(
            f"table.name={requested} names a finished table; leave it out to make one, or check this one: "
            f"table.check={requested}"
        )
    _single(_table)(config, job)


def report(config: Config, job: Job) -> None:
    """Writes the report of a run and prints its final table."""
    from nas.report import print_shipped, print_table, read_table
    from nas.report import report as write_report

    if not (job.run_dir / PROVENANCE).is_file():
        raise UserError(f"{job.run_dir} holds no run; name one that exists: nas report run_dir=FOLDER")
    page = write_report(job.run_dir)
    if (job.run_dir / "final" / "results.json").is_file():
        rows = read_table(job.run_dir)
        print_table(rows, CONSOLE)
        print_shipped(job.run_dir, CONSOLE)
    say(f"report: {page}")


def run(config: Config, job: Job) -> None:
    """Runs the whole pipeline; completed steps are skipped."""
    from nas.report.build import PAGE

    parts = [_supernet, _table, _search, _scale]
    with ExitStack() as tracked:
        with _context(config, job, [*parts, _finish, _export], tracked=tracked) as context:
            parts = [part for part in parts if part is not _table or _table.is_made(context)]
            steps = {part.__name__.rpartition(".")[2]: part for part in parts}
            with stages([*steps, *_SHIPPING]) as begin:
                for name, part in steps.items():
                    begin(name)
                    context.execute(part.step(context))
                _ship(context, begin)
        report(config, job)
        context.tracker.page(job.run_dir / PAGE, name="report")


_SHIPPING = ("finish", "export")


def _ship(context: Context, begin: Callable[[str], None]) -> None:
    """Trains and exports the winner; if ``export.enforce`` refuses it, the candidates after it."""
    _budget.begin(context)
    while True:
        begin("finish")
        context.execute(_finish.step(context))
        begin("export")
        try:
            context.execute(_export.step(context))
        except _budget.MissedBudgetError as miss:
            _budget.advance(context, miss)
        else:
            return


_ALL = (
    Command(
        name="run",
        summary="runs the whole pipeline, from train to report; completed steps are skipped",
        reads=(
            "compute",
            "checkpoint",
            "data",
            "device",
            "train",
            "table",
            "search",
            "scale",
            "finish",
            "export",
            "tracker",
        ),
        body=run,
    ),
    Command(
        name="train",
        summary="trains the supernet",
        reads=("compute", "checkpoint", "data", "train", "tracker"),
        body=train,
        joins=True,
    ),
    Command(
        name="trust",
        summary="checks the supernet's ranking against networks that are trained alone",
        reads=("compute", "data", "train", "trust", "tracker"),
        body=trust,
    ),
    Command(
        name="table",
        summary="measures a latency table here or on a device, or fits one to measured networks",
        reads=("data", "device", "table", "tracker"),
        body=table,
    ),
    Command(
        name="kit",
        summary="writes a measurement kit for a device without hwnas",
        reads=("data", "device", "table", "kit", "measure", "tracker"),
        body=kit,
    ),
    Command(
        name="search",
        summary="searches a trained supernet for accuracy and predicted latency",
        reads=("compute", "checkpoint", "data", "device", "train", "table", "search", "tracker"),
        body=search,
    ),
    Command(
        name="scale",
        summary="scales the winner of a search to a latency budget",
        reads=("compute", "data", "device", "train", "table", "scale", "finish", "tracker"),
        body=scale,
    ),
    Command(
        name="finish",
        summary="trains the winner and its baselines to completion",
        reads=("compute", "checkpoint", "data", "finish", "tracker"),
        body=finish,
    ),
    Command(
        name="export",
        summary="exports the trained winner, checks parity and measures the exported files",
        reads=("compute", "data", "device", "finish", "export", "tracker"),
        body=export,
        notes=_formats.described,
    ),
    Command(
        name="report",
        summary="writes the report of a run",
        reads=(),
        body=report,
    ),
    Command(
        name="measure",
        summary="measures ONNX files here or on a device, and compares them",
        reads=("device", "measure", "table"),
        body=measure,
    ),
    Command(
        name="cost",
        summary="shows a network's cost by block, and its bottleneck on a device",
        reads=("network", "device", "cost"),
        body=cost,
    ),
    Command(
        name="explore",
        summary="writes a page on which the choices of a space are moved and their costs follow",
        reads=("explore",),
        body=explore,
    ),
    Command(
        name="compare",
        summary="writes a page that compares the fronts, winners and settings of runs",
        reads=("compare",),
        body=compare,
    ),
)

COMMANDS = {command.name: command for command in _ALL}
"""All commands by name, in the order of the pipeline; commands without a run come last."""
