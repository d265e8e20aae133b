"""What a command shows, and what it logs."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from nas.cli.screen import log_to, say


def test_what_a_library_logs_is_shown_once_and_logged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with log_to(tmp_path / "nas.log"):
        logging.getLogger("nas.pipeline").info("supernet: already done, skipped")
        logging.getLogger("nas.training").warning("postgresql://me:secret@host is slow")
        logging.getLogger("other").info("nothing to see")
        say("hello")
    shown = capsys.readouterr().out
    assert shown.splitlines() == [
        "supernet: already done, skipped",
        "warning: postgresql://me:***@host is slow",
        "hello",
    ]
    log = (tmp_path / "nas.log").read_text(encoding="utf-8")
    assert log.count("skipped") == log.count("hello") == 1
    assert "secret" not in log and "nothing to see" not in log
