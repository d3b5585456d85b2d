"""Files that could be read as something else than they say, without a word."""

import json

import numpy as np
import pytest

from invert_jax.concepts.files import from_file


def written(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


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
    assert table.ids.tolist() == ["000139", "000285", "7"]
    assert table.names == ("kind=01", "kind=1", "kind=10", "cat")


def test_ids_and_classes_in_a_csv_that_are_plain_numbers_stay_numbers(tmp_path):
    path = written(tmp_path / "t.csv", "id,kind\n139,2\n-5,10\n")
    table = from_file(path, classes="kind")
    assert table.ids.tolist() == [139, -5]
    assert table.names == ("kind=2", "kind=10")
