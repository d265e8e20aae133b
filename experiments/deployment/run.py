"""Trains two networks, exports each in every installed format, and measures the files; see README.md.

    python experiments/deployment/run.py data.root=PICTURES [SETTING=VALUE ...]

PICTURES contains train/CLASS/*.jpg and test/CLASS/*.jpg. The results are in runs/deployment/NETWORK. Finished
steps are skipped: interrupt the script at any time and give the same command again. ``summary.py`` writes the
table and the picture.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from latency import FILE, measure

from nas.cli.__main__ import main as nas
from nas.deploy.formats import format_names

HERE = Path(__file__).resolve().parent
COMMON = (
    "data=image_folder",
    "data.validation_fraction=0.02",
    "finish.extremes=false",
    "finish.baseline_widths=[]",
    "finish.workers=1",
    "finish.warmup_epochs=1",
    "export.formats=all",
    "export.parity_images=500",
    "export.measure_budget=5s",
)
NETWORKS = {
    "mixed_32": (
        "data.max_train_images=10000",
        "finish.epochs=6",
        "finish.batch_size=64",
        "finish.learning_rate=0.4",
    ),
    "ofa_mobilenet_v3": (
        "data.max_train_images=4000",
        "finish.epochs=8",
        "finish.batch_size=32",
        "finish.learning_rate=0.2",
    ),
}
"""The settings of each network; its file and its space have its name."""


def main(overrides: Sequence[str]) -> int:
    """Runs all incomplete steps; returns the exit code of the first that fails."""
    for name, own in NETWORKS.items():
        run = Path("runs") / "deployment" / name
        settings = (
            *COMMON,
            *own,
            f"space={name}",
            f"finish.network={HERE / name}.json",
            f"run_dir={run}",
            *overrides,
        )
        for command in ("finish", "export"):
            if code := nas([command, *settings]):
                return code
        manifest, latencies = run / "deploy" / "manifest.json", run / FILE
        if not latencies.is_file() or latencies.stat().st_mtime < manifest.stat().st_mtime:
            measure(run, formats=format_names())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
