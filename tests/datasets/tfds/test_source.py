"""What a TFDS directory holds beside its records: damaged, cut short, of others."""

import json
import re
import shutil

import numpy as np
import pytest
import tensorflow_datasets as tfds

from invert_jax.concepts.tfds.gathering import from_tfds
from invert_jax.datasets.tfds.inputs import tfds_batches
from tests.concepts.files.written_files import spoiled
from tests.datasets.tfds.prepared_datasets import by_hand, png, prepared, record_of

f = tfds.features
NUM_TRIALS = 60


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("whole"), "array_record")


@pytest.fixture
def directory(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "every_kind" / "1.0.0")


def _table(directory, **settings):
    return from_tfds(directory, "train", progress=False, **settings)


@pytest.mark.parametrize("name", ["dataset_info.json", "features.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"splits": 3}'])
def test_damaged_metadata_are_refused(directory, name, content):
    (directory / name).write_bytes(content)
    with pytest.raises(ValueError, match=r"every_kind/1.0.0` cannot be read as a TFDS"):
        _table(directory)


@pytest.mark.parametrize("name", ["dataset_info.json", "features.json"])
def test_odd_metadata_are_read_or_refused(directory, rng, name):
    """Odd values in the place of parts, changed bytes, cuts: only our errors."""
    good = (directory / name).read_bytes()
    num_refused = 0
    for trial in range(NUM_TRIALS):
        if trial % 2:
            content = json.dumps(spoiled(json.loads(good), rng)).encode()
        elif trial % 4:
            content = good[: rng.integers(len(good))]
        else:
            changed = bytearray(good)
            changed[rng.integers(len(good))] = rng.integers(256)
            content = bytes(changed)
        (directory / name).write_bytes(content)
        try:
            _table(directory)
            list(tfds_batches(directory, "train", inputs="image"))
        except (ValueError, FileNotFoundError) as error:
            num_refused += 1
            assert type(error) in (ValueError, FileNotFoundError)
            ours = r"`\S+` (must|cannot|has|is)|record \d+ of `|the (data set|feature) "
            assert re.match(ours, str(error)), error
            assert "Type-check" not in str(error), "our own check, not the test's"
    assert num_refused > NUM_TRIALS // 2


def test_files_without_a_name_of_their_own_are_refused(directory):
    path = directory / "dataset_info.json"
    path.write_text(path.read_text().replace("{DATASET}", "{DATA}"))
    with pytest.raises(ValueError, match=r"1.0.0` .* does not name the record files"):
        _table(directory)


@pytest.mark.parametrize("names", ["cat", "cat\ndog\n", "cat\ndog\nfox\nfish\n"])
def test_names_of_classes_must_be_as_many_as_the_classes(directory, names):
    for path in ("label", "objects-label"):
        (directory / f"{path}.labels.txt").write_text(names)
        message = rf"for its 3 classes; got {names.count(chr(10)) or 1}: {path}.labels"
        with pytest.raises(ValueError, match=message):
            _table(directory, features=path.replace("-", "/"))
    (directory / "segmentation.labels.txt").write_text("sky\n")
    with pytest.raises(ValueError, match=r"'segmentation' .* for its 3 classes; got 1"):
        _table(directory, features="segmentation")


def test_classes_of_unknown_number_are_those_that_occur(tmp_path):
    features = f.FeaturesDict(
        {
            "label": f.ClassLabel(),
            "map": f.LabeledImage(labels=None),
            "tags": f.Sequence(f.ClassLabel()),
        }
    )
    pixels = np.eye(2, dtype=np.uint8)
    records = [
        record_of(label=[31], tags=[5, 2], map=[png(pixels).getvalue()]),
        record_of(label=[-1], tags=[5], map=[png(pixels * 9).getvalue()]),
    ]
    table = _table(by_hand(tmp_path / "d", features, records))
    assert table.names == (
        "label=31", "map=0", "map=1", "map=9", "tags=2", "tags=5",
    )  # fmt: skip
    assert table.masks().astype(int).tolist() == [
        [1, 1, 1, 0, 1, 1],
        [0, 1, 0, 1, 0, 1],
    ]
