"""What the page says of a search's finals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from nas.report.sections.search_words import details, sentences
from nas.search import Count, Evaluation, Goals, accuracy, latency, search
from nas.search.results.files import write_finals
from nas.search.results.finals import Answers, compete
from tests.search.problems import LinearTable, Scorer, tiny_study


def held(folder: Path, *, lead: int) -> str:
    """The words of a search with two finalists. The slower one is right on ``lead`` more of 100 images."""
    goals = Goals([accuracy(Scorer(), images=400), latency(LinearTable())])
    result = search(tiny_study(goals, trials=12), folder=folder)
    finalists = sorted(
        (each for each in result.evaluations if each.usable), key=lambda each: -each.outcome.values[1]
    )[:2]

    def tune(finalist: Evaluation, begin: int, end: int) -> Answers:
        right = 60 + lead * (finalist is finalists[0])
        return Answers(marks=(np.arange(100) < right).astype(float), count=Count(right, 100))

    decided = result.decided(compete(goals, finalists, epochs=3, tune=tune))
    write_finals(folder, decided, Count(50, 100))
    return "\n".join(details(folder))


def test_a_clear_winner_is_the_best_of_the_finals(tmp_path: Path) -> None:
    page = held(tmp_path, lead=20)
    assert "has 80.0 % (71.1 to 86.7) on 100 held-out images, the best of them." in page
    assert "after 3 epochs" in page
    assert "20.0 (± 4.0)" in page
    assert "It became a finalist by 400 images" in page
    assert "50.0 % (40.4 to 59.6) on 100 held-out images, both with the supernet's weights" in page.replace(
        "&#39;", "'"
    )


def test_of_equal_finalists_the_faster_one_has_won(tmp_path: Path) -> None:
    page = held(tmp_path, lead=1)
    assert "2 finalists are as accurate within one standard deviation of their difference; of these" in page
    assert "it is the fastest." in page
    assert "within one standard deviation (" not in page, "the posterior did not decide"


def test_a_search_without_finals_says_nothing_of_them(tmp_path: Path) -> None:
    search(tiny_study(trials=12), folder=tmp_path)
    winner = json.loads((tmp_path / "winner.json").read_text())
    assert winner["finals"] is None
    assert "finalist" not in " ".join(sentences(winner))
    assert "Finalists" not in "\n".join(details(tmp_path))
