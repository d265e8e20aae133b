"""How another supernet ranks networks that an experiment has trained alone.

    python experiments/inherited.py NETWORKS.csv NAME run_dir=RUN [SETTING=VALUE ...]

NETWORKS.csv has a row for each network: ``role``, ``code``, ``images`` and ``alone_correct``, counted on the
test images. RUN has a supernet that ``nas train`` has trained with the same settings. The script evaluates
the networks with this supernet's weights, as ``nas trust`` does with trust.images=test, writes the counts
into the column ``NAME_correct``, and prints how well each supernet of the file ranks the networks.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent))  # for the scripts that experiments share

import scripts
from jobs import configured

from nas.cli.steps.context import Context
from nas.cli.steps.supernet import supernet as supernet_step
from nas.errors import UserError
from nas.network import NetworkSpec
from nas.training.history_csv import write_csv
from nas.training.trust import Agreement, Compared, random_only, ranking

COLUMN = "_correct"
RESAMPLES = 2_000


def main(path: Path, name: str, settings: Sequence[str]) -> None:
    """Evaluates the networks, writes the column and prints the table."""
    if name == "alone":
        raise UserError("NAME is alone, whose column the script reads; give the supernet another name")
    rows = scripts.read_rows(path)
    run = configured(settings)
    counts = count(run, [network(run, row) for row in rows])
    rows = [row | {f"{name}{COLUMN}": str(correct)} for row, correct in zip(rows, counts, strict=True)]
    write_csv(path, rows)
    print("\n".join(table(run, rows)))


def network(run: Context, row: Mapping[str, str]) -> NetworkSpec:
    """The network of a row."""
    splits = run.data.splits
    arch = run.space.parse(row["code"])
    return run.space.network(arch, classes=len(splits.classes), input_channels=splits.channels)


def count(run: Context, networks: Sequence[NetworkSpec]) -> list[int]:
    """The test images that each network classifies correctly with the supernet's weights."""
    evaluator = dataclasses.replace(supernet_step.evaluator(run), validation=run.data.splits.test)
    return [evaluator.accuracy(each).correct for each in networks]


def table(run: Context, rows: Sequence[Mapping[str, str]]) -> list[str]:
    """A line for each supernet of the file."""
    lines = [
        "| supernet | Kendall τ | τ of MACs | τ minus that of MACs | τ of the random ones | gap, points |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for column in rows[0]:
        if column.endswith(COLUMN) and column != f"alone{COLUMN}":
            found = [compared(run, row, column) for row in rows]
            all_of = Agreement.of(found, top=1, resamples=RESAMPLES, seed=0)
            some = Agreement.of(random_only(found), top=1, resamples=RESAMPLES, seed=0)
            beyond = ranking(found, resamples=RESAMPLES, seed=0).advantage
            taus = (all_of.kendall_tau, all_of.macs_kendall_tau, beyond, some.kendall_tau)
            lines.append(
                f"| {column.removesuffix(COLUMN)} | {' | '.join(map(str, taus))} | {all_of.gap_points} |"
            )
    return lines


def compared(run: Context, row: Mapping[str, str], column: str) -> Compared:
    """A network with its accuracy in a supernet and alone."""
    made = network(run, row)
    return Compared(
        role=row["role"],
        code=row["code"],
        resolution=made.resolution,
        macs=made.macs,
        params=made.params,
        images=int(row["images"]),
        inherited_correct=int(row[column]),
        alone_correct=int(row["alone_correct"]),
        seconds=0.0,
    )


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    try:
        main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
    except UserError as error:
        sys.exit(f"error: {error}")
