"""What a command shows, and what it logs."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from nas.cli.screen import error, log_to, say, standard_streams


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


def test_a_log_that_cannot_be_opened_takes_no_line_from_the_screen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A full disk or changed permissions: writing results reports them, logging does not."""
    with standard_streams(), log_to(tmp_path / "gone" / "nas.log"):
        logging.getLogger("nas.pipeline").info("supernet: already done, skipped")
        error("no room")
    shown = capsys.readouterr()
    assert shown.out.splitlines() == ["supernet: already done, skipped"]
    assert shown.err.splitlines() == ["error: no room"]
