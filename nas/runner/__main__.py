"""``python measure.pyz KIT TABLE``: measures a kit on this machine."""

from __future__ import annotations

import argparse
import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

from .errors import RunnerError
from .measure import measure_kit, profile_kit, read_manifest
from .protocol import Progress, Protocol
from .result import write_result
from .runtimes import claim_process
from .samples import read_samples
from .unpack import kit_folder
from .visits import take_visits

_INTERRUPTED = 130
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_REFUSED_WRITES = (*_FULL, errno.EROFS, errno.EACCES, errno.EPERM)


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
        return _INTERRUPTED


def program() -> NoReturn:
    """Runs ``main`` and ends the process at once: models that are still open are not closed one by one."""
    os._exit(main())


def _run(options: argparse.Namespace) -> int:
    try:
        if options.profile:
            _profile(options.kit, options.table)
        elif code := _measure(options):
            return code
    except RunnerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted; the same command resumes from here", file=sys.stderr)
        return _INTERRUPTED
    except OSError as error:
        if error.errno not in _REFUSED_WRITES:
            raise
        remedy = "make room" if error.errno in _FULL else "name a file in a folder of your own"
        place = error.filename or options.table
        print(f"error: cannot write {place} ({error.strerror}); {remedy}", file=sys.stderr)
        return 2
    if options.visit is None:
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
    parser.add_argument("--visit", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--go-on", action="store_true", help=argparse.SUPPRESS)
    return parser


def _measure(options: argparse.Namespace) -> int:
    """Measures in this process, or in one for each visit; returns the exit code."""
    folder, table = kit_folder(options.kit), options.table
    samples = table if options.raw else table.with_name(f"{table.stem}.samples.jsonl")
    manifest = read_manifest(folder)
    if options.visit is None and Protocol.from_dict(manifest["protocol"]).visits > 1:
        if code := _visits(folder, samples, manifest=manifest, stream=options.stream):
            return code
    else:
        claim_process(manifest["device"])
        measure_kit(
            folder,
            samples,
            progress=_stream_progress if options.stream else _show,
            listen=_print if options.stream else lambda _: None,
            visit=options.visit,
            replay=not options.go_on,
        )
    if not options.raw:
        write_result(table, kit=folder, samples=samples)
    return 0


def _visits(kit: Path, samples: Path, *, manifest: dict[str, Any], stream: bool) -> int:
    parent = os.getppid()

    def is_alone() -> bool:
        return stream and os.getppid() != parent  # nobody reads any more: another process may go on

    def sleep(seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not is_alone():
            time.sleep(min(left, 1.0))

    def take(number: int, is_first: bool) -> int:
        if is_alone():
            return _INTERRUPTED
        options = ["--raw", "--visit", str(number), *(["--stream"] if stream else [])]
        return _again(str(kit), str(samples), *options, *([] if is_first else ["--go-on"]))

    return take_visits(
        Protocol.from_dict(manifest["protocol"]),
        entries=[entry["id"] for entry in manifest["entries"] if entry["role"] != "reference"],
        usual_us=manifest.get("usual_us", {}),
        take=take,
        windows=lambda: read_samples(samples)[1] if samples.is_file() else [],
        sleep=sleep,
    )


def _again(*arguments: str) -> int:
    """Runs this program in a fresh process and returns its exit code."""
    place = Path(__file__).parents[__package__.count(".") + 1]  # the folder or archive of the package
    program = (
        f"import sys; sys.path.insert(0, {str(place)!r}); "
        f"from {__package__}.__main__ import program; program()"
    )
    process = subprocess.Popen([sys.executable, "-c", program, *arguments])
    try:
        return process.wait()
    except KeyboardInterrupt:  # the process has received the signal too, and reports it
        process.wait()
        return _INTERRUPTED


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
    elif progress.done % 20 == 0:
        left = f"{progress.done}/{progress.total} windows, {progress.seconds_left:.0f} s left"
        print(f"\r{left:50}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    program()
