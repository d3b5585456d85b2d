"""Names of concepts in a file beside the masks."""

import numpy as np
import pytest

from invert_jax.concepts.files.reading import from_file
from tests.concepts.files.written_files import written


def test_the_references_pair_gives_offsets_as_names(tmp_path):
    np.savez(tmp_path / "labels.npz", np.array([[1, 0], [0, 1]], bool))
    fish = {"name": "tench.n.01", "definition": "a fish", "offset": "n01440764"}
    gold = {"name": "goldfish.n.01", "definition": "gold", "offset": "n01443537"}
    path = written(tmp_path / "classes.json", {"0": fish, "1": gold})
    concepts = from_file(tmp_path / "labels.npz", names=path)
    assert concepts.names == ("n01440764", "n01443537")
    assert concepts.descriptions == ("tench.n.01: a fish", "goldfish.n.01: gold")
    assert concepts.masks().astype(int).tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"0": {"offset": "a"}}, "1 names for 2 concepts"),
        ({"0": {"offset": "a"}, "1": {"offset": "a"}}, "more than once: 'a'"),
        ({"1": {"offset": "a"}, "0": {"offset": "b"}}, "got '1' as number 0"),
        ({"0": {"name": "a"}, "1": {"name": "b"}}, "'0' must have an `offset`"),
        ({"0": 1, "1": 2}, "'0' must have an `offset`"),
        ({}, "list of names"),
        ([1, 2], "list of names"),
        ("[", "cannot be read as names"),
    ],
)
def test_labels_and_description_that_do_not_fit_are_refused(
    tmp_path, description, message
):
    np.savez(tmp_path / "labels.npz", np.eye(2, dtype=bool))
    path = written(tmp_path / "classes.json", description)
    with pytest.raises(ValueError, match=message):
        from_file(tmp_path / "labels.npz", names=path)


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
