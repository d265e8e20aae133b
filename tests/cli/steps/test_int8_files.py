"""Warnings about INT8 files whose answers differ from those of the trained network."""

from __future__ import annotations

import pytest

from nas.cli.steps.final.int8 import warn
from nas.deploy import Artefact, Parity

TRAINED = {"test_correct": 900, "test_total": 1000}


def artefact(agreement: float, *, correct: int, format: str = "onnx_int8") -> Artefact:
    return Artefact(
        name="winner",
        format=format,
        file="winner.int8.onnx",
        sha256="",
        size_bytes=1,
        parity=Parity(largest_relative_error=0.1, top1_agreement=agreement, images=256),
        test_correct=correct,
        test_total=1000,
    )


@pytest.mark.parametrize(
    ("correct", "outcome"), [(877, " and is 2.3 points less accurate"), (900, ", and as accurate")]
)
def test_a_low_agreement_is_a_warning_with_its_cost(
    capsys: pytest.CaptureFixture[str], correct: int, outcome: str
) -> None:
    warn(artefact(0.93, correct=correct), TRAINED)
    out = " ".join(capsys.readouterr().out.split())
    assert (
        f"winner.int8.onnx gives 93.0% of 256 images the trained network's class (97% is usual){outcome}."
        in out
    )
    assert "export.int8_loss=1" in out


@pytest.mark.parametrize("usual", [artefact(0.97, correct=800), artefact(0.5, correct=800, format="onnx")])
def test_what_is_usual_needs_no_warning(capsys: pytest.CaptureFixture[str], usual: Artefact) -> None:
    warn(usual, TRAINED)
    assert capsys.readouterr().out == ""
