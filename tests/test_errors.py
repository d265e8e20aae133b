from __future__ import annotations

import pytest

from nas.errors import UserError, unknown


def test_a_user_error_is_a_value_error() -> None:
    assert issubclass(UserError, ValueError)


def test_unknown_names_the_nearest_first_and_then_all() -> None:
    message = str(unknown("search space", "tiny32", ["ofa", "tiny_32"], hint="Write your own."))
    assert message == (
        "unknown search space 'tiny32'; did you mean tiny_32?; allowed: ofa, tiny_32. Write your own."
    )


def test_unknown_guesses_nothing_when_nothing_is_near() -> None:
    assert str(unknown("device", "zzz", ["laptop"])) == "unknown device 'zzz'; allowed: laptop"


def test_a_name_of_an_earlier_version_names_its_replacement() -> None:
    message = str(unknown("thing", "old", ["new", "newer"], replaced={"old": "newer"}))
    assert message == "thing 'old' was removed; use newer instead"


@pytest.mark.parametrize("name", [None, 3, ""])
def test_unknown_takes_any_value(name: object) -> None:
    assert repr(str(name)) in str(unknown("thing", name, ["a"]))


def test_unknown_says_that_there_is_nothing_to_choose_from() -> None:
    assert str(unknown("table", "x", [])).endswith("allowed: none exist yet")
