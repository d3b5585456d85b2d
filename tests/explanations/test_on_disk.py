import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import invert_jax as ij
from invert_jax import disk
from invert_jax.disk import is_draft
from invert_jax.explanations import on_disk
from invert_jax.explanations.on_disk import DESCRIPTION, FORMULAS
from tests import small_runs
from tests.small_runs import ARRAYS, assert_same, explain, table_file


@pytest.fixture(scope="module")
def explanations():
    world = small_runs.make_world()
    return explain(world.layer, world.concepts)


@pytest.fixture(scope="module")
def folder(explanations, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "result"
    explanations.save(path)
    return path


@pytest.fixture
def copied(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copied")


def test_a_saved_result_is_read_back_whole(explanations, folder):
    loaded = ij.Explanations.load(folder)
    assert_same(loaded, explanations)
    assert loaded.sources == explanations.sources
    assert list(loaded.formulas) == list(explanations.formulas)
    assert str(loaded) == str(explanations)


def test_a_saved_result_is_parquet_and_json(explanations, folder):
    description = json.loads((folder / "explanations.json").read_text())
    assert description["settings"]["beam_size"] == 3
    assert description["concept_names"] == list(small_runs.NAMES)
    assert description["versions"]["numpy"] == np.__version__
    formulas = pq.read_table(table_file(folder, "formulas")).to_pylist()
    last = [row for row in formulas if row["step"] == 3 and row["rank"] == 0]
    assert [row["formula"] for row in last] == [
        str(formulas[0])
        for formulas in explanations.formulas
        if formulas[0] is not None
    ]


@pytest.mark.parametrize("positions", [[4], [6, 4, 0]])
def test_a_part_of_a_result_is_saved_as_well(explanations, tmp_path, positions):
    some = explanations.take(positions)
    some.save(tmp_path / "some")
    assert_same(ij.Explanations.load(tmp_path / "some"), some)


def test_an_earlier_step_is_saved_as_well(explanations, tmp_path):
    step = explanations.at_length(2)
    step.save(tmp_path / "step")
    assert_same(ij.Explanations.load(tmp_path / "step"), step)


def test_paths_are_given_as_text_or_path(explanations, tmp_path):
    explanations.save(str(tmp_path / "new" / "deep"))
    assert_same(ij.Explanations.load(str(tmp_path / "new" / "deep")), explanations)
    assert os.listdir(tmp_path / "new") == ["deep"]


def test_an_older_result_and_an_empty_folder_are_replaced(explanations, tmp_path):
    target = tmp_path / "result"
    target.mkdir()
    explanations.take([0]).save(target)
    explanations.save(target)
    assert_same(ij.Explanations.load(target), explanations)
    assert os.listdir(tmp_path) == ["result"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_anything_else_is_not_replaced(explanations, tmp_path, kind):
    target = tmp_path / "thesis"
    if kind == "folder":
        target.mkdir()
    content = target / "draft" if kind == "folder" else target
    content.write_text("years of work")
    with pytest.raises(ValueError, match="`path` must be new, or a folder of explan"):
        explanations.save(target)
    assert content.read_text() == "years of work"


def test_a_folder_that_is_not_there_is_said_to_be_missing(tmp_path):
    match = r"must be a folder written by `Explanations.save`.*no explanations\.json"
    with pytest.raises(FileNotFoundError, match=match):
        ij.Explanations.load(tmp_path / "nothing")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"format": "other"}', "\x80\x04 pickle"]
)
def test_a_description_of_something_else_is_refused(copied, text):
    (copied / "explanations.json").write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match="`path` must"):
        ij.Explanations.load(copied)


@pytest.mark.parametrize(
    ("old", "new"),
    [('"six"', '"sex"'), ('"num_samples": 60', '"num_samples": 61'), ("digests", "x")],
)
def test_a_description_that_was_changed_is_refused(copied, old, new):
    path = copied / "explanations.json"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match="was changed since it was written"):
        ij.Explanations.load(copied)


def test_a_later_version_is_refused(copied):
    path = copied / "explanations.json"
    path.write_text(path.read_text().replace('"version": ', '"version": 9'))
    with pytest.raises(
        ValueError, match=r"explanations of version 3; .* of version 93. Explain again"
    ):
        ij.Explanations.load(copied)


@pytest.mark.parametrize("name", ["neurons", "formulas"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "pickled"])
def test_a_damaged_result_is_refused(copied, name, damage):
    path = table_file(copied, name)
    whole = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(
            {"empty": b"", "cut": whole[:-20], "pickled": b"\x80\x04K\x01."}[damage]
        )
    with pytest.raises(ValueError, match=r"must hold whole explanations.*is damaged"):
        ij.Explanations.load(copied)


def with_table(folder, name, table):
    """Put a table into a result, with the digests that it has."""
    old = table_file(folder, name)
    pq.write_table(table, old)
    description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    del description["digest"]
    description["digests"][old.name] = hashlib.sha256(old.read_bytes()).hexdigest()
    (folder / DESCRIPTION).write_text(json.dumps(disk.sealed(description)))


@pytest.mark.parametrize("name", ["neurons", "formulas"])
def test_a_table_without_a_column_is_refused(copied, name):
    table = pq.read_table(table_file(copied, name))
    for column in table.column_names:
        if column in ("status", "formula") or (name, column) == (FORMULAS, "neuron"):
            continue
        with_table(copied, name, table.drop_columns([column]))
        with pytest.raises(ValueError, match="is damaged"):
            ij.Explanations.load(copied)
    with_table(copied, name, table)
    assert ij.Explanations.load(copied).num_neurons == 8


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_a_save_that_is_stopped_anywhere_leaves_a_whole_result(
    explanations, tmp_path, monkeypatch, error
):
    """At every creation, renaming and removal of a file in turn."""
    target, num_stopped = tmp_path / "result", 0
    for count in range(1, 50):
        explanations.take([0]).save(target)
        with steps_that_stop(monkeypatch, count, error) as is_stopped:
            with contextlib.suppress(error):
                explanations.save(target)
        loaded = ij.Explanations.load(target)
        assert len(loaded) in (1, 8)
        num_stopped += is_stopped()
        if not is_stopped():
            break
    assert num_stopped > 8 and len(loaded) == 8
    assert not [each for each in target.iterdir() if is_draft(each.name)]
    assert os.listdir(tmp_path) == ["result"]


@contextlib.contextmanager
def steps_that_stop(monkeypatch, count, error):
    """The step of that number on files fails; says whether there was one."""
    taken = [0]

    def stopping(step):
        def stop(*args, **kwargs):
            taken[0] += 1
            if taken[0] == count:
                raise error
            return step(*args, **kwargs)

        return stop

    with monkeypatch.context() as patch:
        for name in ("write_bytes", "replace", "unlink"):
            patch.setattr(pathlib.Path, name, stopping(getattr(pathlib.Path, name)))
        yield lambda: taken[0] >= count


def test_a_first_save_that_fails_leaves_nothing(explanations, tmp_path, monkeypatch):
    with steps_that_stop(monkeypatch, 3, OSError), pytest.raises(OSError):
        explanations.save(tmp_path / "result")
    assert os.listdir(tmp_path) == []


def test_a_folder_in_which_a_first_save_was_killed_is_used_again(
    explanations, folder, tmp_path
):
    target = tmp_path / "result"
    target.mkdir()
    shutil.copy(table_file(folder, "neurons"), target)
    (target / f".{DESCRIPTION}.{'0' * 32}.part").write_text("{")
    with pytest.raises(FileNotFoundError, match=r"has no explanations\.json"):
        ij.Explanations.load(target)
    explanations.take([1]).save(target)
    assert len(ij.Explanations.load(target)) == 1
    assert len(os.listdir(target)) == 4


def test_a_result_replaced_while_it_is_read_is_read_again(
    explanations, copied, monkeypatch
):
    """The description is of the older result, its tables are gone."""
    original = on_disk._read_named
    replaced: list[None] = []

    def read_named(path, description):
        if not replaced:
            replaced.append(explanations.take([2]).save(path))
        return original(path, description)

    monkeypatch.setattr(on_disk, "_read_named", read_named)
    assert ij.Explanations.load(copied).neurons.tolist() == [2]


def test_tables_that_earlier_releases_named_are_read_and_replaced(explanations, copied):
    description = json.loads((copied / DESCRIPTION).read_text(encoding="utf-8"))
    del description["digest"]
    for name in ("neurons", "formulas"):
        old = table_file(copied, name)
        description["digests"][f"{name}.parquet"] = description["digests"].pop(old.name)
        old.rename(copied / f"{name}.parquet")
    (copied / DESCRIPTION).write_text(json.dumps(disk.sealed(description)))
    assert_same(ij.Explanations.load(copied), explanations)
    explanations.take([0]).save(copied)
    assert len(ij.Explanations.load(copied)) == 1
    assert len(os.listdir(copied)) == 4


def test_what_killed_runs_left_beside_is_removed_and_nothing_else(
    explanations, folder, tmp_path
):
    for name in (".result.abcd_123", ".result.12345678", ".other.abcd_123"):
        shutil.copytree(folder, tmp_path / name / "old")
    (tmp_path / ".result.12345678" / "old" / "notes.txt").write_text("mine")
    (tmp_path / ".result.99999999").mkdir()
    explanations.save(tmp_path / "result")
    left = [".other.abcd_123", ".result.12345678", "result"]
    assert sorted(os.listdir(tmp_path)) == left


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes")
@pytest.mark.parametrize("name", [DESCRIPTION, "neurons"])
def test_a_pipe_is_no_file_of_a_result(copied, name):
    path = copied / name if name == DESCRIPTION else table_file(copied, name)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ValueError, match=r"is damaged: .* is a pipe or a device"):
        ij.Explanations.load(copied)


@pytest.mark.parametrize("name", ["../other.parquet", "labels.csv", "/etc/passwd"])
def test_a_description_names_tables_alone(copied, name):
    description = json.loads((copied / DESCRIPTION).read_text(encoding="utf-8"))
    del description["digest"]
    description["digests"][name] = "0" * 64
    (copied / DESCRIPTION).write_text(json.dumps(disk.sealed(description)))
    with pytest.raises(ValueError, match="is no table of a result"):
        ij.Explanations.load(copied)


def test_nothing_is_unpickled(copied, monkeypatch):
    import pickle

    def refuse(*_, **__):
        raise AssertionError("unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    assert ij.Explanations.load(copied).num_neurons == 8


def test_arrays_keep_their_types(folder):
    loaded = ij.Explanations.load(folder)
    assert loaded.literals.dtype == np.int32
    assert loaded.supports.dtype == loaded.rank_sums.dtype == np.int64
    assert all(isinstance(getattr(loaded, name), np.ndarray) for name in ARRAYS)
    assert isinstance(loaded.to_arrow(), pa.Table)


@pytest.mark.parametrize("name", ["neurons", "formulas"])
def test_a_table_of_more_rows_than_may_be_is_refused_unread(copied, name, monkeypatch):
    table = pq.read_table(table_file(copied, name))
    with_table(copied, name, pa.concat_tables([table] * 10))
    monkeypatch.setattr(pq, "read_table", None)
    with pytest.raises(ValueError, match=r"a table has \d+ rows, where \d+ may be"):
        on_disk._columns_of(table_file(copied, name).read_bytes(), len(table))
