"""Concepts from csv and parquet files."""

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from invert_jax.concepts.files.reading import from_file
from invert_jax.concepts.table import Concepts
from tests.concepts.files.written_files import written
from tests.concepts.random_tables import ids_of


def test_columns_of_classes_become_one_concept_per_value(tmp_path):
    text = "id,color,size,round\n7,red,10,1\n8,blue,9,0\n9,red,10,1\n"
    path = written(tmp_path / "a.csv", text)
    concepts = from_file(path, classes=["color", "size"])
    assert concepts.names == (
        "color=blue",
        "color=red",
        "size=9",
        "size=10",
        "round",
    )
    assert concepts.masks().astype(int).tolist() == [
        [0, 1, 0, 1, 1],
        [1, 0, 1, 0, 0],
        [0, 1, 0, 1, 1],
    ]
    assert ids_of(concepts).tolist() == [7, 8, 9]
    one = from_file(path, classes="color", ignore="size")
    assert one.names == ("color=blue", "color=red", "round")


def test_classes_may_be_stored_as_a_dictionary_that_repeats_a_value(tmp_path):
    codes, values = pa.array([0, 1, 2]), pa.array(["red", "blue", "red"])
    column = pa.DictionaryArray.from_arrays(codes, values)
    pyarrow.parquet.write_table(pa.table({"color": column}), tmp_path / "a.parquet")
    concepts = from_file(tmp_path / "a.parquet", classes=["color"])
    assert concepts.names == ("color=blue", "color=red")
    assert concepts.masks(["color=red"]).ravel().tolist() == [True, False, True]


def test_ids_may_be_in_any_column_that_is_named(tmp_path):
    path = written(tmp_path / "a.csv", "photo,cat\nx,1\ny,0\n")
    assert ids_of(from_file(path, ids="photo")).tolist() == ["x", "y"]
    path = written(tmp_path / "b.csv", "cat\n1\n0\n")
    assert from_file(path).ids is None
    assert ids_of(from_file(path, ids=["u", "v"])).tolist() == ["u", "v"]


def test_a_column_of_truth_values_called_image_is_a_concept(tmp_path):
    path = written(tmp_path / "a.csv", "key,image\nx,1\ny,0\nz,1\n")
    assert from_file(path).names == ("image",)
    assert from_file(path).num_positives.tolist() == [2]


@pytest.mark.parametrize(
    "text",
    [
        "id, bird ,color\nx, 1 , red\ny, 0 ,blue \n",
        "id, bird ,color\nx, True, red\ny, false,blue\n",
        "id;bird;color\nx;1;red\ny;0;blue\n",
        "\ufeffid,bird,color\r\nx,1,red\r\ny,0,blue\r\n",
        '"id","bird","color"\n"x","1","red"\n"y","0","blue"\n',
    ],
    ids=["blanks", "truth values with blanks", "semicolons", "windows", "quotes"],
)
def test_a_csv_file_may_be_written_in_several_ways(tmp_path, text):
    concepts = from_file(written(tmp_path / "a.csv", text), classes=["color"])
    assert concepts.names == ("bird", "color=blue", "color=red")
    assert ids_of(concepts).tolist() == ["x", "y"]
    assert concepts.masks().astype(int).tolist() == [[1, 0, 1], [0, 1, 0]]


def test_a_csv_file_in_another_encoding_is_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("id,bird\né.jpg,1\nb.jpg,0\n".encode("latin-1"))
    with pytest.raises(ValueError, match="column 'id' is not in UTF-8; save the table"):
        from_file(path)


def test_the_row_numbers_that_pandas_writes_are_no_concept(tmp_path):
    path = written(tmp_path / "a.csv", ",cat\n0,1\n1,0\n2,1\n")
    assert from_file(path).names == ("cat",)
    assert from_file(path).ids is None
    path = written(tmp_path / "b.csv", ",cat\nx,1\ny,0\nz,1\n")
    assert ids_of(from_file(path)).tolist() == ["x", "y", "z"]


@pytest.mark.parametrize(
    ("text", "settings", "error", "message"),
    [
        (
            "id,cat,color\n1,0,red\n2,1,blue\n",
            {},
            TypeError,
            r"'color' must be boolean.*'red', 'blue'.*classes=\['color'\]",
        ),
        (
            "id,age\n1,0\n2,31\n",
            {},
            ValueError,
            r"'age' must be boolean.*got 31 for sample 1.*threshold",
        ),
        ("id,x\n1,0.5\n2,1\n", {}, ValueError, "got 0.5 for sample 0"),
        ("id,x\n1,nan\n2,1\n", {}, ValueError, "got nan for sample 0|no value"),
        ("id,x\n1,0\n2,\n", {}, ValueError, "'x' has no value for 1 samples, .* 1;"),
        (
            "id,x\n,0\nb,1\n",
            {"ids": "id"},
            ValueError,
            "'id' has no value for 1 samples",
        ),
        ("id,x,x\n1,0,0\n", {}, ValueError, "different names; more than once: 'x'"),
        ("id,x\n1,0\n1,1\n", {}, ValueError, "`ids` must be unique; got 1"),
        ("id,x\n", {}, ValueError, "at least one sample"),
        ("id\na\nb\n", {}, ValueError, "at least one column of concepts"),
        ("", {}, ValueError, "cannot be read as a table"),
        ("a,b\n1\n", {}, ValueError, "cannot be read as a table"),
        ("a,b\n1,1\n", {"classes": ["c"]}, ValueError, "`classes` must name columns"),
        ("a,b\n1,1\n", {"ignore": ["c"]}, ValueError, "`ignore` must name columns"),
        ("a,b\n1,1\n", {"ids": "c"}, ValueError, "`ids` must name a column"),
        ("a,b\n1.5,1\n", {"classes": ["a"]}, TypeError, "text or whole numbers"),
        ("a,b\n2020-01-01,1\n", {}, TypeError, "'a' must be boolean"),
        ("a,b\n1,1\n", {"boxes": (1, 1)}, ValueError, "`boxes` has no meaning"),
        ("a,b\n1,1\n", {"names": ["a"]}, ValueError, "`names` has no meaning"),
    ],
)
def test_tables_that_are_no_concepts_are_refused(
    tmp_path, text, settings, error, message
):
    path = written(tmp_path / "table.csv", text)
    with pytest.raises(error, match=message):
        from_file(path, **settings)


def test_a_table_of_many_columns_is_read(rng, tmp_path):
    masks = rng.random((20, 5000)) < 0.1
    names = [f"a rather long name for a concept, number {i}" for i in range(5000)]
    table = pa.table(dict(zip(names, masks.T, strict=True)))
    pyarrow.csv.write_csv(table, tmp_path / "a.csv")
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    expected = Concepts.from_masks(masks, names).fingerprint()
    assert from_file(tmp_path / "a.csv").fingerprint() == expected
    assert from_file(tmp_path / "a.parquet").fingerprint() == expected


def test_zeros_ahead_of_ids_and_classes_in_a_csv_are_kept(tmp_path):
    text = "image_id, kind ,cat\n000139, 01,1\n000285,1,0\n7,10,1\n"
    table = from_file(written(tmp_path / "t.csv", text), classes="kind")
    assert ids_of(table).tolist() == ["000139", "000285", "7"]
    assert table.names == ("kind=01", "kind=1", "kind=10", "cat")


def test_ids_and_classes_in_a_csv_that_are_plain_numbers_stay_numbers(tmp_path):
    path = written(tmp_path / "t.csv", "id,kind\n139,2\n-5,10\n")
    table = from_file(path, classes="kind")
    assert ids_of(table).tolist() == [139, -5]
    assert table.names == ("kind=2", "kind=10")


@pytest.mark.parametrize("name", ["path", "index", "image"])
def test_truth_values_of_two_samples_are_a_concept_unless_called_id(tmp_path, name):
    table = from_file(written(tmp_path / "t.csv", f"{name},cat\n1,0\n0,1\n"))
    assert table.names == (name, "cat")
    table = from_file(written(tmp_path / "t.csv", "image_id,cat\n1,0\n0,1\n"))
    assert table.names == ("cat",)


def test_truth_values_may_be_written_in_several_ways(tmp_path):
    text = "id,image\na,1\nb,true\nc,False\nd,0\n"
    table = from_file(written(tmp_path / "t.csv", text))
    assert table.names == ("image",)
    assert table.masks().ravel().tolist() == [True, True, False, False]


def test_days_may_be_ids_and_classes(tmp_path):
    path = written(tmp_path / "t.csv", "id,cat\n2020-01-02,1\n2020-01-01,0\n")
    assert ids_of(from_file(path)).tolist() == ["2020-01-02", "2020-01-01"]
    names = from_file(path, classes="id").names
    assert names == ("id=2020-01-01", "id=2020-01-02", "cat")


def test_a_csv_without_a_line_of_names_is_refused(tmp_path):
    path = written(tmp_path / "t.csv", "0,1\n1,1\n0,0\n")
    with pytest.raises(ValueError, match=r"first line .* must have the names"):
        from_file(path)


@pytest.mark.parametrize("text", ['id,kind\na," "\nb,x\n', 'id,kind\na,""\nb,x\n'])
def test_a_blank_class_is_refused(tmp_path, text):
    with pytest.raises(ValueError, match=r"column 'kind' must .* blank for sample 0"):
        from_file(written(tmp_path / "t.csv", text), classes="kind")


def test_a_table_of_more_rows_than_a_search_takes_is_refused(tmp_path):
    rows = pa.table({"cat": pa.array(np.zeros(16_000_001, bool))})
    pyarrow.parquet.write_table(rows, tmp_path / "table.parquet")
    with pytest.raises(ValueError, match=r"has 16,000,001 rows, and at most 16,000,00"):
        from_file(tmp_path / "table.parquet")
