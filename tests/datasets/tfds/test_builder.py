"""Where data sets come from: directories, names, builders, code; real data."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

from invert_jax.concepts.tfds.gathering import from_tfds
from invert_jax.datasets.tfds.inputs import tfds_batches
from tests.datasets.tfds.prepared_datasets import (
    NUM_EXAMPLES,
    EveryKind,
    as_tfrecord,
    by_hand,
    prepared,
    record_of,
)
from tests.repository import ROOT, SHARED_DATA

CIFAR = {
    "array_record": SHARED_DATA / "tfds" / "cifar10" / "3.0.2",
    "tfrecord": SHARED_DATA / "tfds_tfrecord" / "cifar10" / "3.0.2",
}
needs_cifar = pytest.mark.skipif(
    not all(path.is_dir() for path in CIFAR.values()), reason="no CIFAR-10 beside"
)

without_tensorflow = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is not None, reason="TensorFlow is there"
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("every_kind"), "array_record")


class Numbers(tfds.core.GeneratorBasedBuilder):
    """More examples than TFDS writes to a parquet file without losing some."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = tfds.features.FeaturesDict({"is_even": np.bool_})
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for i in range(250):
            yield i, {"is_even": i % 2 == 0}


class Ragged(tfds.core.GeneratorBasedBuilder):
    """Sequences in sequences, which TFDS can write only with TensorFlow."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        inner = tfds.features.Sequence(tfds.features.ClassLabel(num_classes=2))
        features = tfds.features.FeaturesDict({"rooms": tfds.features.Sequence(inner)})
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        yield 0, {"rooms": [[0], [1, 1]]}


def _table(source, split="train", **settings):
    return from_tfds(source, split, progress=False, **settings)


def test_a_builder_a_directory_and_those_above_it_are_the_same(directory):
    builder = tfds.builder_from_directory(directory)
    tables = [
        _table(each)
        for each in [builder, str(directory), directory, directory.parents[1]]
    ]
    assert len({table.fingerprint() for table in tables}) == 1


def test_a_name_is_looked_up_where_tfds_keeps_its_data(directory):
    by_name = _table("every_kind", data_dir=str(directory.parents[1]))
    assert by_name.fingerprint() == _table(directory).fingerprint()


def test_what_is_not_prepared_yet_is_prepared_without_tensorflow(tmp_path):
    builder = EveryKind(data_dir=tmp_path)
    assert builder.info.file_format.value == "tfrecord"  # which needs TensorFlow
    assert _table(builder).num_samples == NUM_EXAMPLES
    assert list(tmp_path.glob("every_kind/1.0.0/*.array_record-*"))
    (batch,) = tfds_batches(EveryKind(data_dir=tmp_path), "train", inputs="image")
    assert batch.inputs.shape == (NUM_EXAMPLES, 12, 10, 3)


@without_tensorflow
def test_what_only_tensorflow_can_prepare_says_so(tmp_path):
    with pytest.raises(ImportError, match=r"needs `tensorflow` once: install it with"):
        _table(Ragged(data_dir=tmp_path))


class Offline(Numbers):
    """A data set that cannot be downloaded."""

    def _split_generators(self, dl_manager):
        raise ConnectionError("the server\nis unreachable")


def test_what_cannot_be_downloaded_says_where_it_would_be_and_what_to_do(tmp_path):
    message = (
        r"`offline/1.0.0` is not prepared in `.*offline/1.0.0` yet, and TFDS could not "
        r"download and prepare it: the server is unreachable. Cure that .* or prepare "
        r"it elsewhere and give its directory"
    )
    with pytest.raises(ValueError, match=message) as raised:
        _table(Offline(data_dir=tmp_path))
    assert isinstance(raised.value.__cause__, ConnectionError)


def test_files_to_be_got_by_hand_are_asked_for_in_the_words_of_tfds(tmp_path):
    message = r"(?s)`imagenet2012/.* could not .*manual.*ILSVRC2012_img_train.tar"
    with pytest.raises(ValueError, match=message):
        _table("imagenet2012", "validation", data_dir=str(tmp_path))


@without_tensorflow
def test_a_prepared_data_set_is_found_by_name_though_its_code_needs_tensorflow(
    tmp_path,
):
    """As that of COCO does: it is imported when the name is looked up."""
    with pytest.raises(ImportError, match="needs `tensorflow` once"):
        _table("coco", data_dir=str(tmp_path))
    label = tfds.features.ClassLabel(names=["person", "dog"])
    objects = tfds.features.Sequence({"label": label})
    features = tfds.features.FeaturesDict({"objects": objects})
    records = [record_of(objects__label=[1, 0, 1]), record_of(objects__label=[])]
    by_hand(tmp_path / "coco" / "2017" / "1.1.0", features, records)
    for name in ("coco", "coco/2017", "coco/2017:1.1.0", "coco/2017:1.*.*"):
        table = _table(name, data_dir=str(tmp_path))
        assert table.names == ("objects/label=person", "objects/label=dog")
        assert table.masks().tolist() == [[True, True], [False, False]]
    with pytest.raises(ImportError, match="needs `tensorflow` once"):
        _table("coco/2014", data_dir=str(tmp_path))
    by_hand(tmp_path / "coco" / "2014" / "1.1.0", features, records)
    with pytest.raises(ValueError, match=r"holds 2 data sets.*'2014/1.1.0', '2017/1."):
        _table("coco", data_dir=str(tmp_path))


@pytest.mark.parametrize("split", ["train", "train[10%:20%]", "train[200:]"])
def test_parquet_files_with_fewer_examples_than_listed_are_refused(tmp_path, split):
    builder = Numbers(data_dir=tmp_path, file_format="parquet")
    builder.download_and_prepare()
    with pytest.raises(
        ValueError, match=r"must hold 250 records .* got 150\. .*again as array_record"
    ):
        _table(builder, split)


def test_a_truncated_shard_is_named(tmp_path):
    path = prepared(tmp_path, "array_record")
    shard = sorted(path.glob("*-00001-of-00003"))[0]
    shard.write_bytes(shard.read_bytes()[:1000])
    with pytest.raises(
        ValueError, match=r"00001-of-00003` must hold 7 records .*got 0"
    ):
        _table(path)


def test_a_missing_shard_is_named(tmp_path):
    path = prepared(tmp_path, "array_record")
    sorted(path.glob("*-00002-of-00003"))[0].unlink()
    with pytest.raises(FileNotFoundError, match=r"00002-of-00003` is listed"):
        _table(path)


def test_without_any_record_file_the_place_is_named(tmp_path):
    path = prepared(tmp_path, "array_record")
    for shard in path.glob("*.array_record-*"):
        shard.unlink()
    with pytest.raises(ValueError, match=r"every_kind/1.0.0/train` .*no record files"):
        _table(path)


def test_files_of_a_format_that_is_not_read_are_refused(tmp_path):
    path = prepared(tmp_path, "array_record")
    info = json.loads((path / "dataset_info.json").read_text())
    (path / "dataset_info.json").write_text(
        json.dumps(info | {"fileFormat": "riegeli"})
    )
    for shard in path.glob("*.array_record-*"):
        shard.rename(shard.with_name(shard.name.replace("array_record", "riegeli")))
    with pytest.raises(
        ValueError, match="holds riegeli files; only array_record, parq"
    ):
        _table(path)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("no_such_data_set", "`no_such_data_set` is no directory, and TFDS knows no"),
        ("/no/such/directory", "`/no/such/directory` is no directory"),
        ("a name with blanks", "is no directory"),
        ("", "`` is no directory"),
        ("CIFAR10", "knows no data set of that name. Did you mean 'cifar10', "),
        ("cifar-10", "does not take it as a name.* Did you mean 'cifar10', "),
        ("voc/nope", r"NAME\[/CONFIG\]\[:VERSION\]; .*BuilderConfig nope not found"),
        ("voc:9.9.9", "`voc:9.9.9` .* cannot be loaded at version 9.9.9, only: 5"),
        ("voc/2012/more", "does not take it as a name: Parsing .*2012/more failed.$"),
        ("cifar10/shuffle=3", "unexpected keyword argument 'shuffle'"),
        ("../x", "`../x` is no directory, and TFDS does not take it as a name"),
        (Path(__file__), "is no directory"),
        (Path(__file__).parent, r"has no dataset_info.json in it or below"),
    ],
    ids=str,
)
def test_what_is_no_data_set_is_refused(source, message):
    with pytest.raises(ValueError, match=message):
        _table(source)


def test_something_else_is_a_type_error():
    with pytest.raises(TypeError, match=r"`builder_or_directory` must .* got int"):
        _table(3)


def test_a_directory_of_several_data_sets_lists_them(tmp_path):
    prepared(tmp_path, "array_record")
    as_tfrecord(prepared(tmp_path / "more", "array_record"))
    with pytest.raises(ValueError, match=r"holds 2 data sets.*'more/every_kind/1.0.0'"):
        _table(tmp_path)


@needs_cifar
def test_cifar10_is_the_same_from_both_file_formats():
    tables = {name: _table(path, "test") for name, path in CIFAR.items()}
    assert tables["tfrecord"].fingerprint() == tables["array_record"].fingerprint()
    table = tables["tfrecord"]
    assert table.num_samples == 10_000
    assert table.names[3] == "label=cat"
    assert table.num_positives.tolist() == [1000] * 10


@needs_cifar
def test_images_of_cifar10_are_those_of_tfds_in_the_same_order():
    whole = tfds.data_source("cifar10", data_dir=CIFAR["array_record"].parents[1])
    for path in CIFAR.values():
        batches = tfds_batches(path, "test[:2%]", batch_size=64, workers=2)
        images = np.concatenate([batch.inputs for batch in batches])
        ids = np.concatenate([batch.ids for batch in batches])
        assert ids.tolist() == [f"test-{i}" for i in range(200)]
        expected = [whole["test"][i]["image"] for i in range(200)]
        np.testing.assert_array_equal(images, expected)


@needs_cifar
def test_a_damaged_copy_of_cifar10_names_the_record(tmp_path):
    directory = tmp_path / "cifar10" / "3.0.2"
    directory.mkdir(parents=True)
    for file in CIFAR["tfrecord"].iterdir():
        (directory / file.name).write_bytes(file.read_bytes())
    shard = next(directory.glob("*test*"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 4
    shard.write_bytes(content)
    with pytest.raises(ValueError, match=r"record \d{4} of `.*cifar10-test.tfrecord-"):
        _table(directory, "test")


WITHOUT_TENSORFLOW = """
import sys
from invert_jax.concepts import from_tfds, tfds_batches
assert "tensorflow_datasets" not in sys.modules
for directory in sys.argv[1:]:
    concepts = from_tfds(directory, "train", quantiles=2, progress=False)
    assert concepts.num_samples == 23
    (batch,) = tfds_batches(directory, "train", inputs=["image", "breed"])
    assert "tensorflow" not in sys.modules
print("done")
"""


def test_tensorflow_is_never_imported(tmp_path):
    # A TensorFlow that can be found, and fails if it is imported.
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text("raise SystemExit('imported')")
    directories = [
        str(prepared(tmp_path / file_format, file_format))
        for file_format in ("array_record", "parquet", "tfrecord")
    ]
    paths = [str(tmp_path), str(ROOT / "tests")]
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW, *directories],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
    )
    assert ran.stdout == "done\n", ran.stderr[-2000:]
