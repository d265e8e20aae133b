"""Copies of the last commit for writing mutants. The work tree is not changed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.mutants.finding import Mutant

ROOT = Path(__file__).resolve().parents[2]


def git(*arguments: str) -> str:
    """The output of a git command."""
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit_folder() -> Path:
    """The folder of the last commit, ``build/mutants/COMMIT``, which is created if missing.

    Raises:
        SystemExit: If files differ from the commit.
    """
    if git("status", "--porcelain"):
        raise SystemExit("commit or stash your changes first: mutants are made of the last commit")
    folder = ROOT / "build" / "mutants" / git("rev-parse", "--short=12", "HEAD")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def check_out(tree: Path) -> None:
    """Writes the files of the last commit to a folder."""
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    with subprocess.Popen(["git", "-C", str(ROOT), "archive", "HEAD"], stdout=subprocess.PIPE) as archive:
        subprocess.run(["tar", "-x", "-C", str(tree)], stdin=archive.stdout, check=True)


def copy(tree: Path, other: Path) -> None:
    """Copies a tree with its times, so that its compiled files stay valid."""
    shutil.rmtree(other, ignore_errors=True)
    shutil.copytree(tree, other, symlinks=True)


@contextmanager
def mutated(tree: Path, mutant: Mutant) -> Iterator[None]:
    """Writes a mutant into a tree while the body runs, then restores the original."""
    path = tree / mutant.path
    source, times = path.read_bytes(), path.stat()
    try:
        path.write_text(mutant.apply(source.decode("utf-8")), encoding="utf-8", newline="")
        # Python reuses the compiled file of a source with equal time, in seconds, and size.
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns + 10**10))
        yield
    finally:
        path.write_bytes(source)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
