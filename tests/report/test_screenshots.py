"""The screenshots of the documentation are made by one command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.report.browser import needs_chromium
from tools.screenshots import SCALE, WIDTH, main


@needs_chromium
def test_they_show_the_report_and_the_explorer(run_dir: Path, tmp_path: Path) -> None:
    from PIL import Image

    (run_dir / "config.yaml").write_text("space: tiny_32\n")
    assert main([str(run_dir), str(tmp_path / "pictures")]) == 0
    for name in ("report.png", "explorer.png"):
        with Image.open(tmp_path / "pictures" / name) as image:
            assert image.width == WIDTH * SCALE
            assert image.height > 600
            assert np.asarray(image.convert("L")).std() > 5  # something is drawn
    assert (tmp_path / "pictures" / "architectures.png").is_file()


def test_without_its_two_arguments_it_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "python -m tools.screenshots" in capsys.readouterr().out
