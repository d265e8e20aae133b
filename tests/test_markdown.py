from __future__ import annotations

import pytest

from nas.markdown import block, code, escaped, printable, table


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain words, 3.5 % and 10 × 10", "plain words, 3.5 % and 10 × 10"),
        ("a|b", r"a\|b"),
        ("*bold* `code` [link](x)", r"\*bold\* \`code\` \[link\](x)"),
        ("<b>&amp;</b>", r"\<b\>\&amp;\</b\>"),
        ("$x$ ~~y~~ #z", r"\$x\$ \~\~y\~\~ \#z"),
        ("_private_ and in_words", r"\_private\_ and in_words"),
        ("two\nlines \t", "two lines"),
        ("bell\a, surrogate\udc80", "bell\ufffd, surrogate\ufffd"),
    ],
)
def test_text_stands_for_itself(text: str, expected: str) -> None:
    assert escaped(text) == expected


def test_printable_text_is_one_line_of_utf8() -> None:
    assert printable(" a\r\nb\x00\udcff ").encode() == "a b\ufffd\ufffd".encode()


@pytest.mark.parametrize(
    ("text", "expected"), [("a_b", "`a_b`"), ("a`b", "``a`b``"), ("`", "`` ` ``"), ("a|b", r"`a\|b`")]
)
def test_code_stands_for_itself(text: str, expected: str) -> None:
    assert code(text) == expected


def test_a_block_is_longer_fenced_than_its_text() -> None:
    assert block("a = 1\n", language="python") == "```python\na = 1\n```"
    assert block("````\n") == "`````\n````\n`````"


def test_columns_of_a_table_have_equal_width() -> None:
    assert table(("file", "kB"), [("a", "1"), ("longer", "12.5")]).splitlines() == [
        "| file   |   kB |",
        "| ------ | ---: |",
        "| a      |    1 |",
        "| longer | 12.5 |",
    ]
