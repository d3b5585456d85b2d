"""Records of TFDS files: array_record, parquet and tfrecord, without TensorFlow.

Each reader yields the serialized examples of one shard in order. What is wrong with a
file is a ValueError that names the file and the record, counted from 0 in that file.
"""

import os
import struct
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NamedTuple, NoReturn

import google_crc32c

_BLOCK_BYTES = 8 * 2**20
_MAX_BLOCK_RECORDS = 256


class Shard(NamedTuple):
    """The consecutive records of one file that are to be read.

    Attributes:
        path: The file.
        split: The split that the file belongs to.
        offset: Number in the split of the first record of the file.
        skip: Number of records of the file to leave out at its beginning.
        take: Number of records to read after those.
        num_records: Number of records of the whole file.
    """

    path: str
    split: str
    offset: int
    skip: int
    take: int
    num_records: int


def bad_record(path: str, record: int, why: object) -> ValueError:
    """The error for one record of a file.

    >>> str(bad_record("a-test.tfrecord", 3, "the checksum is wrong."))
    'record 3 of `a-test.tfrecord` cannot be read: the checksum is wrong.'
    """
    return ValueError(f"record {record} of `{path}` cannot be read: {why}")


def read_shard(shard: Shard, file_format: str) -> Iterator[bytes]:
    """The serialized examples of a shard, in order."""
    if not os.path.exists(shard.path):
        raise FileNotFoundError(
            f"`{shard.path}` is listed in the data set's dataset_info.json but does "
            "not exist; copy the missing file or prepare the data set again."
        )
    return READERS[file_format](shard)


def _array_records(shard: Shard) -> Iterator[bytes]:
    """Records of an array_record file, read in blocks."""
    reader = _open_array_record(shard)
    stop = shard.skip + shard.take
    block = _block_length(shard)
    try:
        for start in range(shard.skip, stop, block):
            yield from _array_record_block(
                reader, shard, start, min(start + block, stop)
            )
    finally:
        _closing_error(reader)


def _open_array_record(shard: Shard) -> Any:
    """The reader of the file, once it is known to hold what it should."""
    try:
        from array_record.python import array_record_module
    except ImportError as error:
        raise ImportError(
            f"reading `{shard.path}` needs `array_record`: use `pip install "
            "array_record`; where that does not exist, prepare the data set as "
            "parquet or tfrecord.",
            name="array_record",
        ) from error
    try:
        reader = array_record_module.ArrayRecordReader(
            shard.path, options="readahead_buffer_size:0"
        )
        num_records = reader.num_records()
    except Exception as error:
        _raise_bad_file(shard.path, "array_record", error)
    if num_records != shard.num_records:
        # A truncated file reads as an empty one; the error comes when it is closed.
        why = _closing_error(reader) or "it is of another data set"
        raise ValueError(
            f"`{shard.path}` must hold {shard.num_records} records by the data set's "
            f"dataset_info.json; got {num_records}: {why}; the file is truncated or "
            "damaged; copy or prepare it again."
        )
    return reader


def _closing_error(reader: Any) -> str:
    """Close the reader; what it says was wrong, or nothing."""
    try:
        reader.close()
    except Exception as error:
        return str(error)
    return ""


def _array_record_block(
    reader: Any, shard: Shard, start: int, stop: int
) -> list[bytes]:
    """Records from `start` to `stop`; if that fails, the first bad one is named."""
    try:
        return reader.read(start, stop)
    except Exception:
        return [_array_record(shard, record) for record in range(start, stop)]


def _array_record(shard: Shard, record: int) -> bytes:
    """One record, by a reader of its own: one that has failed fails ever after."""
    reader = _open_array_record(shard)
    try:
        return reader.read(record, record + 1)[0]
    except Exception as error:
        raise bad_record(shard.path, record, error) from error
    finally:
        _closing_error(reader)


def _block_length(shard: Shard) -> int:
    """Number of records of a block, so that it takes a few megabytes."""
    bytes_per_record = os.path.getsize(shard.path) // max(shard.num_records, 1) + 1
    return max(1, min(_MAX_BLOCK_RECORDS, _BLOCK_BYTES // bytes_per_record))


def _parquet_records(shard: Shard) -> Iterator[bytes]:
    """Records of a parquet file: TFDS keeps them in its first column."""
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(shard.path)
    except Exception as error:
        _raise_bad_file(shard.path, "parquet", error)
    with file:
        _check_parquet_length(file, shard)
        first = 0
        for group in range(file.num_row_groups):
            stop = first + file.metadata.row_group(group).num_rows
            wanted = range(max(first, shard.skip), min(stop, shard.skip + shard.take))
            if wanted:
                column = _parquet_group(file, shard.path, group, first)
                for record in wanted:
                    yield _parquet_value(column, shard.path, record, record - first)
            first = stop


def _check_parquet_length(file: Any, shard: Shard) -> None:
    """Refuse a file without the examples that TFDS 4.9.10 loses on writing it."""
    num_records = file.metadata.num_rows
    if num_records != shard.num_records:
        raise ValueError(
            f"`{shard.path}` must hold {shard.num_records} records by the data set's "
            f"dataset_info.json; got {num_records}. Some releases of TFDS lose "
            "examples when they write more than 100 to a parquet file: prepare the "
            "data set again as array_record."
        )


def _parquet_group(file: Any, path: str, group: int, first: int) -> Any:
    """First column of a row group."""
    try:
        return file.read_row_group(group).column(0)
    except Exception as error:
        raise bad_record(path, first, f"its row group {group}: {error}") from error


def _parquet_value(column: Any, path: str, record: int, row: int) -> bytes:
    """One value, which must be bytes."""
    try:
        value = column[row].as_py()
    except Exception as error:
        raise bad_record(path, record, error) from error
    if not isinstance(value, bytes):
        raise bad_record(
            path, record, f"the first column must be binary; got {column.type}."
        )
    return value


def _tfrecords(shard: Shard) -> Iterator[bytes]:
    """Records of a tfrecord file, with both checksums of each record verified.

    The framing of a record is: uint64 length, uint32 masked CRC-32C of the length, the
    data, uint32 masked CRC-32C of the data; all little-endian.
    """
    with open(shard.path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        for record in range(shard.skip):
            file.seek(_tfrecord_length(file, shard, record, size) + 4, os.SEEK_CUR)
        stop = shard.skip + shard.take
        for record in range(shard.skip, stop):
            yield _tfrecord(file, shard, record, size)
        if stop == shard.num_records and file.tell() != size:
            raise ValueError(
                f"`{shard.path}` must end after {stop} records by the data set's "
                f"dataset_info.json; got {size - file.tell()} bytes more: it is "
                "damaged or of another data set; copy or prepare it again."
            )


def _tfrecord(file: BinaryIO, shard: Shard, record: int, size: int) -> bytes:
    """The data of the record at the file's position."""
    data = file.read(_tfrecord_length(file, shard, record, size))
    if masked_crc(data) != int.from_bytes(file.read(4), "little"):
        raise bad_record(
            shard.path,
            record,
            "the checksum of its data is wrong: the file is damaged; copy or prepare "
            "it again.",
        )
    return data


def _tfrecord_length(file: BinaryIO, shard: Shard, record: int, size: int) -> int:
    """Length of the data of the record at the file's position, which then is there."""
    header = file.read(12)
    if len(header) < 12:
        raise bad_record(
            shard.path,
            record,
            "the file ends before it; by the data set's dataset_info.json it must "
            f"hold {shard.num_records} records; copy or prepare it again.",
        )
    length, masked = struct.unpack("<QI", header)
    if masked_crc(header[:8]) != masked:
        raise bad_record(
            shard.path,
            record,
            "the checksum of its length is wrong: the file is damaged, compressed or "
            "no tfrecord file; copy or prepare it again.",
        )
    if length + 4 > size - file.tell():
        raise bad_record(
            shard.path,
            record,
            "the file ends inside it: the file is truncated; copy or prepare it again.",
        )
    return length


def masked_crc(data: bytes) -> int:
    """CRC-32C as TFRecord stores it: rotated, and a constant added.

    >>> hex(masked_crc(b""))
    '0xa282ead8'
    """
    crc = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _raise_bad_file(path: str, file_format: str, error: Exception) -> NoReturn:
    """Say that a file is not of its format."""
    raise ValueError(
        f"`{path}` cannot be read as {file_format}: {error}; the file is truncated, "
        "damaged or of another format; copy or prepare it again."
    ) from error


READERS: dict[str, Callable[[Shard], Iterator[bytes]]] = {
    "array_record": _array_records,
    "parquet": _parquet_records,
    "tfrecord": _tfrecords,
}
