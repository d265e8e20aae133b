"""``nas compare``: writes the page that compares runs."""

from __future__ import annotations

from pathlib import Path

from nas.cli.hydra.command import Job
from nas.cli.screen import say
from nas.config import Config
from nas.report.compare import write_comparison


def compare(config: Config, job: Job) -> None:
    """Writes the comparison; it only reads the runs, so no provenance is recorded."""
    page = job.run_dir / "compare" / "compare.html"
    write_comparison(page, [Path(each) for each in config.compare.runs])
    say(f"written: {page}")
