"""How many examples per second does each reader of TFDS files give?

A data set of small photos with labels is written in each file format. Its concepts and
its images are read by `from_tfds` and `tfds_batches`, and by TFDS's own `data_source`,
which reads no tfrecord and, for parquet, reads the whole file first. All formats and
both readers must give the same labels and the same pixels.

    python benchmarks/bench_concepts.py --num-examples 10000 --image-size 32

Rates are by the clock and by processor seconds, all threads together: these change less
on a busy machine, and do not show what several workers gain.
"""

import argparse
import io
import itertools
import json
import struct
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL
import tensorflow_datasets as tfds
from PIL import Image
from report import markdown
from timing import Timing, append_line, environment, measure, peak_memory

from invert_jax.concepts.tfds.gathering import from_tfds
from invert_jax.datasets.tfds.inputs import tfds_batches
from invert_jax.datasets.tfds.records import masked_crc

FORMATS = ("array_record", "parquet", "tfrecord")
NUM_CLASSES = 10
SHARD = "photos-test.{file_format}-00000-of-00001"


def main() -> None:
    """Write the data set, read it in every way, append one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num-examples", type=int, default=10_000)
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--out", type=Path, help="file to add the JSON line to")
    arguments = parser.parse_args()

    records = serialized_photos(arguments.num_examples, arguments.image_size)
    with tempfile.TemporaryDirectory() as directory:
        of_formats = {
            file_format: measured(
                written(Path(directory, file_format, "1.0.0"), file_format, records),
                file_format,
                arguments,
            )
            for file_format in FORMATS
        }
    record = {
        "benchmark": "concepts",
        "num_examples": arguments.num_examples,
        "image_size": arguments.image_size,
        "num_bytes": sum(map(len, records)),
        "same_answers": check_same([each.read for each in of_formats.values()]),
        "examples_per_second": {k: v.rates("wall") for k, v in of_formats.items()},
        "examples_per_cpu_second": {k: v.rates("cpu") for k, v in of_formats.items()},
        "peak_memory": peak_memory(),
        "tensorflow_datasets": tfds.__version__,
        "pillow": PIL.__version__,
        **environment(),
    }
    if arguments.out:
        append_line(arguments.out, record)
    print(rates_table(record, "examples_per_second"))
    print()
    print(rates_table(record, "examples_per_cpu_second"))


class Measured(NamedTuple):
    """How fast each reader read one format, and what came back.

    Attributes:
        num_examples: Number of examples.
        timings: Time of each reader.
        read: Labels and images by each.
    """

    num_examples: int
    timings: dict[str, Timing]
    read: list[np.ndarray]

    def rates(self, clock: str) -> dict[str, int]:
        """Examples per second of each reader, by `wall` or by `cpu`."""
        return {
            reader: round(self.num_examples / getattr(timing, clock))
            for reader, timing in self.timings.items()
        }


def rates_table(record: dict[str, Any], rates: str) -> str:
    """The rates of a run, one row per reader."""
    of_formats = [record[rates][each] for each in FORMATS]
    rows = [
        (reader, *(f"{of[reader]:,}" if reader in of else "none" for of in of_formats))
        for reader in of_formats[0]
    ]
    return markdown((rates.replace("_", " "), *FORMATS), rows)


def measured(
    directory: Path, file_format: str, arguments: argparse.Namespace
) -> Measured:
    """Each way to read one format, and what it reads."""
    readers: dict[str, Callable[[], np.ndarray]] = {
        "from_tfds": partial(labels_of, directory)
    }
    for workers in arguments.workers:
        reader = f"tfds_batches, {workers} workers"
        readers[reader] = partial(images_of, directory, workers=workers)
    if file_format != "tfrecord":
        readers["data_source, labels"] = partial(labels_of_tfds, directory)
        readers["data_source, images"] = partial(images_of_tfds, directory)
    timings, read = {}, []
    for name, reader_of in readers.items():
        reader_of()  # the first time is not counted
        timings[name], result = measure(reader_of, repeats=arguments.repeats)
        read.append(result)
    return Measured(arguments.num_examples, timings, read)


def check_same(of_formats: list[list[np.ndarray]]) -> bool:
    """Stop unless all labels are the same, and all images."""
    by_axes: dict[int, np.ndarray] = {}
    for array in itertools.chain(*of_formats):
        np.testing.assert_array_equal(array, by_axes.setdefault(array.ndim, array))
    return True


def labels_of(directory: Path) -> np.ndarray:
    """All labels, by our reader, of a whole table of concepts."""
    return from_tfds(directory, "test", progress=False).masks().argmax(axis=1)


def images_of(directory: Path, *, workers: int) -> np.ndarray:
    """All images, by our reader."""
    batches = tfds_batches(directory, "test", workers=workers)
    return np.concatenate([batch.inputs for batch in batches])


def labels_of_tfds(directory: Path) -> np.ndarray:
    """All labels, by TFDS's own reader; the images are left encoded."""
    builder = tfds.builder_from_directory(directory)
    skip = {"image": tfds.decode.SkipDecoding()}
    source = builder.as_data_source("test", decoders=skip)
    return np.array([each["label"] for each in source])


def images_of_tfds(directory: Path) -> np.ndarray:
    """All images, by TFDS's own reader."""
    source = tfds.builder_from_directory(directory).as_data_source("test")
    return np.stack([each["image"] for each in source])


def features() -> tfds.features.FeaturesDict:
    """A photo, its label, its name."""
    return tfds.features.FeaturesDict(
        {
            "id": tfds.features.Text(),
            "image": tfds.features.Image(),
            "label": tfds.features.ClassLabel(num_classes=NUM_CLASSES),
        }
    )


def serialized_photos(num_examples: int, image_size: int) -> list[bytes]:
    """Examples as TFDS stores them: smooth color noise as JPEG, and a label."""
    rng, of_photos = np.random.default_rng(0), features()
    return [
        of_photos.serialize_example(
            {
                "id": f"photo_{index:06}",
                "image": photo(rng, image_size),
                "label": int(rng.integers(NUM_CLASSES)),
            }
        )
        for index in range(num_examples)
    ]


def photo(rng: np.random.Generator, image_size: int) -> io.BytesIO:
    """A JPEG file of blurred noise, about as large as one of a photo."""
    coarse = rng.integers(256, size=(image_size // 4 + 1, image_size // 4 + 1, 3))
    image = Image.fromarray(coarse.astype(np.uint8)).resize((image_size, image_size))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)
    file.seek(0)
    return file


def written(directory: Path, file_format: str, records: list[bytes]) -> Path:
    """The directory of the data set, with one file of the format."""
    directory.mkdir(parents=True)
    features().save_config(directory)
    split = {
        "name": "test",
        "numBytes": str(sum(map(len, records))),
        "shardLengths": [str(len(records))],
        "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
    }
    info = {
        "fileFormat": file_format,
        "name": "photos",
        "splits": [split],
        "version": "1.0.0",
    }
    (directory / "dataset_info.json").write_text(json.dumps(info))
    shard = directory / SHARD.format(file_format=file_format)
    {
        "array_record": write_array_record,
        "parquet": write_parquet,
        "tfrecord": write_tfrecord,
    }[file_format](shard, records)
    return directory


def write_array_record(path: Path, records: list[bytes]) -> None:
    """One record per chunk, as TFDS writes."""
    from array_record.python import array_record_module

    writer = array_record_module.ArrayRecordWriter(str(path), "group_size:1")
    for record in records:
        writer.write(record)
    writer.close()


def write_parquet(path: Path, records: list[bytes]) -> None:
    """One column of bytes in row groups of 100, as TFDS writes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"data": pa.array(records, pa.binary())})
    pq.write_table(table, path, row_group_size=100)


def write_tfrecord(path: Path, records: list[bytes]) -> None:
    """Length, checksum of the length, data, checksum of the data."""
    with path.open("wb") as file:
        for record in records:
            length = struct.pack("<Q", len(record))
            file.write(length + struct.pack("<I", masked_crc(length)))
            file.write(record + struct.pack("<I", masked_crc(record)))


if __name__ == "__main__":
    main()
