"""``python measure.pyz KIT TABLE``: measures a kit on this machine."""

from __future__ import annotations

import argparse
import errno
import json
import os
import sys
from pathlib import Path

from .errors import RunnerError
from .measure import measure_kit, profile_kit, read_manifest
from .protocol import Progress
from .result import write_result
from .runtimes import claim_process
from .unpack import kit_folder

_REFUSED_WRITES = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


def main(arguments: list[str] | None = None) -> int:
    """Measures and returns the exit code.

    It is 0, or 2 for a user error, or 130 if the measurement was interrupted or nobody reads the output any
    more.
    """
    try:
        try:
            return _run(_parser().parse_args(arguments))
        finally:
            for stream in (sys.stdout, sys.stderr):
                print(end="", file=stream, flush=True)
    except BrokenPipeError:  # the samples are in the file
        for stream in (sys.stdout, sys.stderr):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return 130


def _run(options: argparse.Namespace) -> int:
    try:
        if options.profile:
            _profile(options.kit, options.table)
        else:
            _measure(options.kit, options.table, stream=options.stream, raw=options.raw)
    except RunnerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted; the same command resumes from here", file=sys.stderr)
        return 130
    except OSError as error:
        if error.errno not in _REFUSED_WRITES:
            raise
        print(
            f"error: cannot write {error.filename or options.table} ({error.strerror}); make room",
            file=sys.stderr,
        )
        return 2
    print(f"\nwrote {options.table}", file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="measure",
        description="Measures the models of a kit on this machine; continues where it stopped.",
    )
    parser.add_argument("kit", type=Path, help="folder or zip file of the kit")
    parser.add_argument("table", type=Path, help="file for the result (.json); raw samples go beside it")
    parser.add_argument("--stream", action="store_true", help="print raw samples and progress as JSON lines")
    parser.add_argument(
        "--raw",
        action="store_true",
        help="TABLE is the file of raw samples (.jsonl); write no other",
    )
    parser.add_argument(
        "--profile",
        action="store_true",
        help="write the time of each operator of each model instead of latencies",
    )
    return parser


def _measure(kit: Path, table: Path, *, stream: bool, raw: bool) -> None:
    folder = kit_folder(kit)
    claim_process(read_manifest(folder)["device"])
    samples = table if raw else table.with_name(f"{table.stem}.samples.jsonl")
    if stream:
        measure_kit(folder, samples, progress=_stream_progress, listen=_print)
    else:
        measure_kit(folder, samples, progress=_show)
    if not raw:
        write_result(table, kit=folder, samples=samples)


def _profile(kit: Path, file: Path) -> None:
    """Writes the operators of each model, from the runtime's profiler, to show fused and slow ones."""
    operators = profile_kit(kit_folder(kit))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(operators, indent=1), encoding="utf-8")


def _print(line: str) -> None:
    print(line, flush=True)


def _stream_progress(progress: Progress) -> None:
    left_s = round(progress.seconds_left, 1)
    _print(json.dumps({"progress": [progress.done, progress.total, left_s, progress.note]}))


def _show(progress: Progress) -> None:
    if progress.note:
        print(f"\r{progress.note:60}", file=sys.stderr)
    if progress.done % 20 == 0:
        left = f"{progress.done}/{progress.total} windows, {progress.seconds_left:.0f} s left"
        print(f"\r{left:50}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
