"""Provenance of results: commit, versions, machine, seed and command."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import nas
from nas.errors import UserError
from nas.files import read_json, sha256, write_json, write_text
from nas.hardware import detect
from nas.masking import masked_values

RECORD = "provenance.json"
CONFIG = "config.yaml"
PACKAGES = ("torch", "torchvision", "numpy", "optuna", "hydra-core", "onnx", "onnxruntime", "scikit-learn")


def versions() -> dict[str, str]:
    """Returns the versions of Python, of this package and of the packages that results depend on."""
    numbers = {"python": platform.python_version(), "hwnas": nas.__version__}
    for package in PACKAGES:
        try:
            numbers[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return numbers


def commit() -> dict[str, str | bool] | None:
    """Returns this package's commit and whether files differ from it; ``None`` outside its git checkout."""
    # An installed package may lie inside another project's checkout: ours is the one that tracks this file.
    if _git("ls-files", "--error-unmatch", Path(__file__).name) is None:
        return None
    name = _git("rev-parse", "HEAD")
    return None if name is None else {"commit": name, "changed": bool(_git("status", "--porcelain"))}


def _git(*arguments: str) -> str | None:
    folder = Path(__file__).parent
    try:
        process = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return process.stdout.strip()


def write_provenance(
    run_dir: Path,
    *,
    command: str,
    overrides: Sequence[str],
    seed: int,
    config: Mapping[str, Any],
    inputs: Mapping[str, Path] | None = None,
) -> None:
    """Writes ``provenance.json`` and ``config.yaml`` into a run folder.

    The latest command's record is at the top level; earlier records are kept under ``earlier``.

    Args:
        run_dir: The run folder.
        command: The command's name.
        overrides: Overrides on its command line.
        seed: The seed of the run.
        config: The resolved configuration.
        inputs: Files outside the run folder, by name; their hashes are recorded.
    """
    import yaml

    record = {
        "command": command,
        "overrides": masked_values(list(overrides)),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
        "source": commit(),
        "versions": versions(),
        "platform": platform.platform(),
        "machine": detect(),
        "inputs": {
            name: {"path": str(path), "sha256": sha256(path)} for name, path in (inputs or {}).items()
        },
    }
    write_json(run_dir / RECORD, {**record, "earlier": _earlier(run_dir / RECORD)})
    write_text(
        run_dir / CONFIG, yaml.safe_dump(masked_values(dict(config)), sort_keys=False, allow_unicode=True)
    )


def _earlier(path: Path) -> list[dict[str, Any]]:
    try:
        last = dict(read_json(path))
    except (UserError, TypeError, ValueError):
        return []
    earlier = last.pop("earlier", [])
    return [last, *earlier]
