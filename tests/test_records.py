"""Records of steps: what is written is read, and any damage is noticed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.records import RECORD, read_record, write_record

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
RECORDS = st.fixed_dictionaries(
    {
        "schema": st.just(1),
        "step": st.just("search"),
        "settings": st.dictionaries(st.text(max_size=5), VALUES),
    },
    optional={
        "inputs": st.dictionaries(st.text(max_size=5), st.text(max_size=5)),
        "seconds": st.floats(0, 1e6),
        "finished": st.text(max_size=9),
    },
)


@settings(deadline=None, max_examples=50)
@given(record=RECORDS)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, record: dict[str, object]) -> None:
    folder = tmp_path_factory.mktemp("step")
    write_record(folder, record)
    assert read_record(folder) == record


def test_every_changed_bit_and_every_cut_is_noticed(tmp_path: Path) -> None:
    record = {"schema": 1, "step": "a", "settings": {"seed": 0}, "outputs": {"x": "0f"}, "seconds": 1.5}
    write_record(tmp_path, record)
    path = tmp_path / RECORD
    content = path.read_bytes()
    accepted = []
    for position in range(len(content)):
        for bit in range(8):
            changed = bytearray(content)
            changed[position] ^= 1 << bit
            path.write_bytes(changed)
            if read_record(tmp_path) is not None:
                accepted.append(changed)
        path.write_bytes(content[:position])
        found = read_record(tmp_path)
        assert found is None or content[position:].isspace()
    # Space between values can become other space, which means the same.
    assert all(json.loads(each) == json.loads(content) for each in accepted)
    assert len(accepted) < 0.05 * 8 * len(content)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"settings": []}', '{"other": 1}', "null"])
def test_what_is_no_record_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / RECORD).write_text(text)
    assert read_record(tmp_path) is None
    assert read_record(tmp_path / "missing") is None


def test_records_without_a_hash_are_of_earlier_versions(tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text('{"schema": 1, "settings": {"seed": 0}}')
    assert read_record(tmp_path) == {"schema": 1, "settings": {"seed": 0}}
