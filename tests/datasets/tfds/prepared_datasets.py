"""A small TFDS data set with every kind of feature, in each file format."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image
from tensorflow_datasets.proto import tf_example_pb2

from invert_jax.datasets.tfds.records import Shard, read_shard
from tests.datasets.tfds.record_files import write_tfrecord

CLASSES = ["cat", "dog", "traffic light"]
COLORS = ["red", "blue"]
SCENES = ["sky", "sea", "land"]
NUM_EXAMPLES = 23


def png(pixels: np.ndarray, palette: bool = False) -> io.BytesIO:
    """The pixels as a PNG file, which TFDS stores as it is."""
    image = Image.fromarray(pixels)
    if palette:
        image.putpalette([value for i in range(256) for value in (255 - i, i, 7)])
    file = io.BytesIO()
    image.save(file, "PNG")
    file.seek(0)
    return file


def examples() -> list[dict]:
    """The examples as plain values, by their key; maps and images as arrays."""
    rng = np.random.default_rng(7)
    return [_example(rng, i) for i in range(NUM_EXAMPLES)]


def _example(rng: np.random.Generator, i: int) -> dict:
    num_objects = i % 4
    segmentation = np.zeros((8, 6), np.uint8)
    segmentation[: i % 9, :3] = 1
    segmentation[:, 5] = 255
    return {
        "name": f"photo {i}",
        "image": rng.integers(256, size=(12, 10, 3)).astype(np.uint8),
        "label": i % 4 - 1,  # -1: none
        "coarse": i % 2,
        "tags": rng.integers(3, size=i % 3).tolist(),
        "is_new": i % 5 == 0,
        "flags": rng.random(3) < 0.4,
        "packed": rng.random((2, 2)) < 0.5,
        "attributes": {"Smiling": i % 3 == 0, "Bald": i % 7 == 0},
        "objects": {
            "label": rng.integers(3, size=num_objects).tolist(),
            "color": rng.integers(2, size=num_objects).tolist(),
            "is_truncated": (rng.random(num_objects) < 0.3).tolist(),
            "area": rng.random(num_objects).astype(np.float32).tolist(),
            "bbox": [tfds.features.BBox(0.1, 0.2, 0.3, 0.4)] * num_objects,
        },
        "segmentation": segmentation,
        "trimap": (1 + (np.arange(20).reshape(4, 5) + i) % 3).astype(np.uint8),
        "gray": np.full((3, 3), i % 2, np.uint8),
        "age": int(rng.integers(100)),
        "height": float(np.float32(rng.normal())),
        "pose": rng.normal(size=2).astype(np.float32),
        "count": 2**63 + i * 2**53,
        "breed": ["siamese", "manx"][i % 2],
    }


class EveryKind(tfds.core.GeneratorBasedBuilder):
    """Every kind of feature."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        f = tfds.features
        features = f.FeaturesDict(
            {
                "name": f.Text(),
                "image": f.Image(shape=(12, 10, 3)),
                "label": f.ClassLabel(names=CLASSES),
                "coarse": f.ClassLabel(names=["animal", "thing"]),
                "tags": f.Sequence(f.ClassLabel(names=CLASSES)),
                "is_new": np.bool_,
                "flags": f.Tensor(shape=(3,), dtype=np.bool_),
                "packed": f.Tensor(shape=(2, 2), dtype=np.bool_, encoding="zlib"),
                "attributes": {"Smiling": np.bool_, "Bald": np.bool_},
                "objects": f.Sequence(
                    {
                        "label": f.ClassLabel(names=CLASSES),
                        "color": f.ClassLabel(names=COLORS),
                        "is_truncated": np.bool_,
                        "area": np.float32,
                        "bbox": f.BBoxFeature(),
                    }
                ),
                "segmentation": f.LabeledImage(labels=SCENES, shape=(8, 6, 1)),
                "trimap": f.Image(shape=(None, None, 1), use_colormap=True),
                "gray": f.Image(shape=(None, None, 3)),
                "age": np.int32,
                "height": np.float32,
                "pose": f.Tensor(shape=(2,), dtype=np.float32),
                "count": np.uint64,
                "breed": f.Text(),
            }
        )
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for i, example in enumerate(examples()):
            images = {
                "image": png(example["image"]),
                "segmentation": png(example["segmentation"], palette=True),
                "trimap": png(example["trimap"]),
                "gray": png(example["gray"]),
            }
            yield i, example | images


def prepared(directory: Path, file_format: str) -> Path:
    """The directory of the data set, in three files of the format."""
    written = "array_record" if file_format == "tfrecord" else file_format
    builder = EveryKind(data_dir=directory, file_format=written)
    config = tfds.download.DownloadConfig(num_shards=3)
    builder.download_and_prepare(download_config=config)
    path = Path(builder.data_path)
    return as_tfrecord(path) if file_format == "tfrecord" else path


def as_tfrecord(path: Path) -> Path:
    """The same data set with its array_record files written as tfrecord."""
    info_file = path / "dataset_info.json"
    info = json.loads(info_file.read_text())
    for split in info["splits"]:
        lengths = [int(length) for length in split["shardLengths"]]
        for index, length in enumerate(lengths):
            shard = f"{index:05}-of-{len(lengths):05}"
            file = path / f"{info['name']}-{split['name']}.array_record-{shard}"
            records = Shard(str(file), "", 0, 0, length, length)
            write_tfrecord(
                file.with_name(file.name.replace("array_record", "tfrecord")),
                list(read_shard(records, "array_record")),
            )
            file.unlink()
    info["fileFormat"] = "tfrecord"
    info_file.write_text(json.dumps(info))
    return path


def by_hand(directory: Path, features: Any, records: list[bytes]) -> Path:
    """A data set of the records in one tfrecord file, whatever they hold."""
    directory.mkdir(parents=True)
    features.save_config(directory)
    split = {
        "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
        "name": "train",
        "numBytes": "1",
        "shardLengths": [str(len(records))],
    }
    info = {
        "fileFormat": "tfrecord",
        "name": "by_hand",
        "splits": [split],
        "version": "1.0.0",
    }
    (directory / "dataset_info.json").write_text(json.dumps(info))
    write_tfrecord(directory / "by_hand-train.tfrecord-00000-of-00001", records)
    return directory


def record_of(**values: list) -> bytes:
    """A serialized `tf.train.Example` of lists of int, float or bytes."""
    example = tf_example_pb2.Example()
    for key, items in values.items():
        feature = example.features.feature[key.replace("__", "/")]
        kind = type(items[0]) if items else int
        lists = {
            int: feature.int64_list,
            float: feature.float_list,
            bytes: feature.bytes_list,
        }
        lists[kind].value.extend(items)
    return example.SerializeToString()
