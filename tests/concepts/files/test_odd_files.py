"""Files that could be read as something else than they say, without a word."""

import numpy as np
import pytest

from invert_jax.concepts.files.coco import checked_grid
from invert_jax.concepts.files.reading import from_file
from tests.concepts.files.written_files import ids_of, written

COCO = {
    "images": [{"id": 1, "file_name": "a.jpg", "width": 40, "height": 40}],
    "annotations": [{"id": 5, "image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9]}],
    "categories": [{"id": 1, "name": "dog", "supercategory": "animal"}],
}


def test_names_and_classes_may_be_arrays(tmp_path):
    np.savez(tmp_path / "masks.npz", masks=np.eye(2, dtype=bool))
    table = from_file(tmp_path / "masks.npz", names=np.array(["cat", "dog"]))
    assert table.names == ("cat", "dog")
    path = written(tmp_path / "t.csv", "id,color\na,red\nb,blue\n")
    table = from_file(path, classes=np.array(["color"]))
    assert table.names == ("color=blue", "color=red")


def test_an_array_as_ids_of_coco_is_refused_in_our_words(tmp_path):
    path = written(tmp_path / "instances.json", COCO)
    with pytest.raises(ValueError, match='`ids` must be "file_name" or "id" for COCO'):
        from_file(path, ids=np.array(["a.jpg", "b.jpg"]))


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


def test_a_key_that_is_there_twice_in_a_description_is_refused(tmp_path):
    np.savez(tmp_path / "labels.npz", labels=np.eye(2, dtype=bool))
    entry = '{"offset": "n1"}'
    path = written(tmp_path / "names.json", f'{{"0": {entry}, "0": {entry}}}')
    with pytest.raises(ValueError, match=r"names\.json .*more than once: '0'"):
        from_file(tmp_path / "labels.npz", names=path)


def test_blanks_around_names_in_a_text_file_do_not_count(tmp_path):
    np.savez(tmp_path / "m.npz", masks=np.eye(2, dtype=bool))
    written(tmp_path / "m.txt", " cat\ntraffic light \t\n\n")
    assert from_file(tmp_path / "m.npz").names == ("cat", "traffic light")


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


@pytest.mark.parametrize(
    "box", [[50, 50, 9, 9], [-20, 5, 9, 9], [5, 40, 9, 9], [5, -9, 9, 9]], ids=str
)
def test_a_box_outside_its_image_marks_no_cell(tmp_path, box):
    outside = {"id": 6, "image_id": 1, "category_id": 1, "bbox": box}
    content = COCO | {"annotations": [outside]}
    path = written(tmp_path / "instances.json", content)
    masks = from_file(path, boxes=(2, 2)).masks(["dog"]).ravel()
    assert masks.tolist() == [False] * 4


@pytest.mark.parametrize("boxes", [7, (True, True), (2,), (0, 2), "77", None], ids=str)
def test_what_is_no_grid_is_refused(boxes):
    with pytest.raises(ValueError, match="`boxes` must be the rows and columns"):
        checked_grid(boxes)


@pytest.mark.parametrize("name", ["path", "index", "image"])
def test_truth_values_of_two_samples_are_a_concept_unless_called_id(tmp_path, name):
    table = from_file(written(tmp_path / "t.csv", f"{name},cat\n1,0\n0,1\n"))
    assert table.names == (name, "cat")
    table = from_file(written(tmp_path / "t.csv", "image_id,cat\n1,0\n0,1\n"))
    assert table.names == ("cat",)


def test_a_csv_without_a_line_of_names_is_refused(tmp_path):
    path = written(tmp_path / "t.csv", "0,1\n1,1\n0,0\n")
    with pytest.raises(ValueError, match=r"first line .* must have the names"):
        from_file(path)


@pytest.mark.parametrize("text", ['id,kind\na," "\nb,x\n', 'id,kind\na,""\nb,x\n'])
def test_a_blank_class_is_refused(tmp_path, text):
    with pytest.raises(ValueError, match=r"column 'kind' must .* blank for sample 0"):
        from_file(written(tmp_path / "t.csv", text), classes="kind")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"masks": np.eye(2), "labels": np.arange(2)}, "got both"),
        ({"masks": np.arange(2)}, r"`masks` must be \[samples, concepts\]; got one"),
    ],
)
def test_an_npz_file_that_is_not_clear_is_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "t.npz", names=np.array(["a", "b"]), **arrays)
    with pytest.raises(ValueError, match=message):
        from_file(tmp_path / "t.npz")


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
