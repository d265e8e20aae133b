"""What ``measure.pyz`` writes on a device is a latency table to whoever reads it here."""

import json

import pytest

from nas.errors import UserError
from nas.latency import load_table
from nas.latency.targets.run_kit import SAMPLES
from nas.runner.errors import RunnerError
from nas.runner.result import content_hash, write_result


@pytest.fixture(scope="module")
def result(measured_table, measured_folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("result") / "table.json"
    write_result(path, kit=measured_folder / "kit", samples=measured_folder / SAMPLES)
    return path


def changed(result, folder, change, *, keep_hash=False):
    content = json.loads(result.read_text())
    change(content)
    if keep_hash:
        content["sha256"] = content_hash(content["measurement"])
    path = folder / "changed.json"
    path.write_text(json.dumps(content))
    return path


def test_it_is_the_table_that_measuring_here_gives(result, measured_table):
    assert load_table(result) == measured_table


def test_one_that_was_edited_is_refused(result, tmp_path):
    path = changed(result, tmp_path, lambda content: content["measurement"]["windows"].pop())
    with pytest.raises(UserError, match=r"was changed after it was written .* run measure\.pyz again"):
        load_table(path)


def test_one_that_was_cut_off_is_refused(result, tmp_path):
    (tmp_path / "cut.json").write_text(result.read_text()[:5000])
    with pytest.raises(UserError, match="is not valid JSON"):
        load_table(tmp_path / "cut.json")


def test_one_of_another_version_is_refused(result, tmp_path):
    path = changed(result, tmp_path, lambda content: content.update(schema=9))
    with pytest.raises(UserError, match="is a measurement of schema 9, this program reads 1; measure again"):
        load_table(path)


def test_one_without_samples_of_an_entry_is_refused(result, tmp_path):
    def drop(content):
        found = content["measurement"]
        gone = found["manifest"]["entries"][-1]["id"]
        found["windows"] = [window for window in found["windows"] if window[0] != gone]

    path = changed(result, tmp_path, drop, keep_hash=True)
    with pytest.raises(UserError, match=r"1 of the kit's \d+ entries have no samples; .* it resumes where"):
        load_table(path)


def test_a_measurement_of_another_form_is_refused(result, tmp_path):
    def drop(content):
        del content["measurement"]["manifest"]["table"]

    path = changed(result, tmp_path, drop, keep_hash=True)
    with pytest.raises(UserError, match="is not a latency table of this version"):
        load_table(path)


def test_json_of_another_kind_is_refused(tmp_path):
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(UserError, match="is not a latency table; name one that nas table wrote"):
        load_table(tmp_path / "list.json")


def test_damaged_samples_give_no_result(measured_folder, tmp_path):
    lines = (measured_folder / SAMPLES).read_text().splitlines(keepends=True)
    (tmp_path / SAMPLES).write_text("".join(["[]\n", *lines[:3], "{\n", *lines[3:]]))
    with pytest.raises(RunnerError, match="is damaged"):
        write_result(tmp_path / "out.json", kit=measured_folder / "kit", samples=tmp_path / SAMPLES)
    assert not (tmp_path / "out.json").exists()
