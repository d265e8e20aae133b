"""The scripts of benchmarks/ find what they import; their figures are measured by hand."""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "benchmarks"


def test_every_script_can_be_loaded() -> None:
    """In a process of its own, since they register samplers of their own."""
    names = sorted(path.stem for path in FOLDER.glob("*.py"))
    program = f"import sys; sys.path.insert(0, {str(FOLDER)!r}); import {', '.join(names)}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
