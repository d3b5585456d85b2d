"""Record files as TFDS has them, written without TensorFlow."""

import struct
from collections.abc import Sequence
from pathlib import Path

from invert_jax.datasets.tfds.records import masked_crc


def tfrecord_bytes(records: Sequence[bytes]) -> bytes:
    """The records framed as TFRecord: length, its checksum, data, its checksum."""
    framed = b""
    for record in records:
        length = struct.pack("<Q", len(record))
        framed += length + struct.pack("<I", masked_crc(length))
        framed += record + struct.pack("<I", masked_crc(record))
    return framed


def write_tfrecord(path: Path, records: Sequence[bytes]) -> None:
    path.write_bytes(tfrecord_bytes(records))


def write_array_record(path: Path, records: Sequence[bytes]) -> None:
    from array_record.python import array_record_module

    writer = array_record_module.ArrayRecordWriter(str(path), "group_size:1")
    for record in records:
        writer.write(record)
    writer.close()


def write_parquet(path: Path, records: Sequence[bytes]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"data": pa.array(records, pa.binary())})
    pq.write_table(table, path, row_group_size=4)


WRITERS = {
    "array_record": write_array_record,
    "parquet": write_parquet,
    "tfrecord": write_tfrecord,
}
