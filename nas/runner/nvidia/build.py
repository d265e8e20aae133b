"""``python build.pyz MODEL.onnx MODEL.engine``: builds an engine of TensorRT, on the GPU that will run it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..errors import RunnerError
from .engine import EngineBuilder, import_library, write_atomically


def main(arguments: list[str] | None = None) -> int:
    """Builds an engine and returns the exit code: 0, or 2 for a user error."""
    options = _parser().parse_args(arguments)
    try:
        print(build(options), file=sys.stderr)
    except RunnerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: cannot use {error.filename} ({error.strerror})", file=sys.stderr)
        return 2
    return 0


def build(options: argparse.Namespace) -> str:
    """Builds an engine, and describes it in one line.

    Raises:
        RunnerError: If TensorRT is not installed, or cannot build it.
        OSError: If a file cannot be read or written.
    """
    library = import_library()
    builder = EngineBuilder(library, tf32=options.tf32, capability=options.compute_capability)
    plan = bytes(builder.build(options.model, batch=options.batch))
    write_atomically(options.engine, plan)
    name = f"{library.__name__} {library.__version__}"
    gpu = f", compute capability {options.compute_capability}" if options.compute_capability else ""
    return f"wrote {options.engine}, {len(plan) * 1e-3:.0f} kB, for {name}{gpu}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="build",
        description="Builds an engine of TensorRT from an ONNX file, on the GPU that will run it.",
    )
    parser.add_argument("model", type=Path, help="the ONNX file; its types are the precision of the engine")
    parser.add_argument("engine", type=Path, help="file for the engine")
    parser.add_argument(
        "--batch", type=int, default=1, help="images of one inference, if the file leaves them open"
    )
    parser.add_argument("--tf32", action="store_true", help="let FP32 operations compute in TF32")
    parser.add_argument(
        "--compute-capability", metavar="X.Y", help="build for another GPU, e.g. 8.6 (TensorRT-RTX only)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
