from __future__ import annotations

import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from nas.errors import UserError
from nas.report import pictures, report


def parsed(path: Path) -> ElementTree.Element:
    return ElementTree.fromstring(path.read_text(encoding="utf-8"))


def test_page(run_dir: Path) -> None:
    path = report(run_dir)
    shutil.copytree(run_dir, "/tmp/exp/demo", dirs_exist_ok=True)
    pictures(run_dir, Path("/tmp/exp/pics"))
    parsed(path)
