"""Concepts from JSON files."""

import gzip
import json

import pytest

from invert_jax.concepts.files import json_files
from invert_jax.concepts.files.reading import from_file
from tests.concepts.files.written_files import written
from tests.concepts.random_tables import ids_of


def test_names_per_sample_become_concepts(tmp_path):
    path = written(tmp_path / "a.json", {"x.jpg": ["dog", "cat"], "y.jpg": []})
    concepts = from_file(path)
    assert concepts.names == ("cat", "dog")
    assert ids_of(concepts).tolist() == ["x.jpg", "y.jpg"]
    assert concepts.masks().astype(int).tolist() == [[1, 1], [0, 0]]


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("{", ValueError, "cannot be read as JSON"),
        ("[" * 100_000, ValueError, "cannot be read as JSON"),
        ("3", ValueError, "must hold a list of records"),
        ({"a": 1}, ValueError, "must hold a list of records"),
        ([], ValueError, "at least one sample"),
        ([1], ValueError, "record 0 must be an object; got 1"),
        ([{"a": 1}, {"b": 1}], ValueError, "record 1 and the first differ in 'a', 'b'"),
        ([{"a": 1}, {"a": "x"}], TypeError, "values of one type"),
        ([{"a": [1]}], TypeError, "'a' must be boolean"),
        ({"names": ["a"]}, ValueError, "one of `masks`, .* is needed; got none"),
        ({"names": 1, "masks": [[1]]}, ValueError, "`names` must be a list; got 1"),
        ({"names": ["a"], "masks": 1}, ValueError, "`masks` must be a list; got 1"),
        ({"names": [1], "masks": [[1]]}, TypeError, "must be strings; got 1"),
        ({"names": ["a"], "masks": [[2]]}, ValueError, "got 2 for sample 0"),
        ({"names": ["a"], "masks": [[1], [1, 0]]}, ValueError, "one length"),
        ({"names": ["a"], "labels": [1]}, ValueError, "in 0 … 0"),
        ({"names": ["a"], "indices": [["a"]]}, TypeError, "got a str"),
        ({}, ValueError, "at least one name|at least one sample"),
    ],
)
def test_json_that_is_no_concepts_is_refused(tmp_path, content, error, message):
    path = written(tmp_path / "a.json", content)
    with pytest.raises(error, match=message) as raised:
        from_file(path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize(
    "content",
    [
        '{"names": ["a"], "masks": [[1]], "masks": [[0]]}',
        '[{"id": "x", "masks": 1, "masks": 0}]',
        '{"masks": ["cat"], "b.jpg": ["dog"], "masks": ["dog"]}',
    ],
)
def test_a_key_that_is_there_twice_is_refused(tmp_path, content):
    path = written(tmp_path / "t.json", content)
    with pytest.raises(ValueError, match=r"t\.json: keys.*more than once: 'masks'\."):
        from_file(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"descriptions": {"a": "x", "b": "y"}}, "`descriptions` must be a list"),
        ({"masks": [[1, 0], [1]]}, r"`masks` must be .* got \[1\] as row 1"),
        ({"masks": [1, 0]}, "`masks` must be .* got 1 as row 0"),
    ],
)
def test_json_of_another_form_is_refused(tmp_path, changes, message):
    content = {"names": ["a", "b"], "masks": [[1, 0], [0, 1]]} | changes
    with pytest.raises(ValueError, match=message):
        from_file(written(tmp_path / "t.json", content))


def test_a_small_file_that_unpacks_to_more_than_any_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(json_files, "_MOST_BYTES", 1000)
    path = tmp_path / "tags.json.gz"
    path.write_bytes(gzip.compress(json.dumps({"a": ["x" * 2000]}).encode()))
    with pytest.raises(ValueError, match="it holds more than 1,000 bytes of text"):
        from_file(path)
