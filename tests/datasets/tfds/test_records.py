import itertools
import sys

import pytest

from invert_jax.datasets.tfds.records import READERS, Shard, masked_crc, read_shard
from tests.datasets.tfds.record_files import WRITERS, tfrecord_bytes

FORMATS = sorted(READERS)


# CRC-32C of RFC 3720, appendix B.4, rotated by 15 bits to the right, and the constant.
@pytest.mark.parametrize(
    ("data", "crc"),
    [
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
        (b"123456789", 0xE3069283),
        (b"", 0),
    ],
    ids=["zeros", "ones", "rising", "falling", "digits", "empty"],
)
def test_checksums_are_those_of_the_standard_and_masked(data, crc):
    rotated = (crc >> 15) + ((crc & 0x7FFF) << 17)
    assert masked_crc(data) == (rotated + 0xA282EAD8) % 2**32


def _records(num_records: int) -> list[bytes]:
    return [bytes([i % 256]) * (i * 37 % 91) for i in range(num_records)]


def _shard(path, num_records: int, skip: int = 0, take: int | None = None) -> Shard:
    take = num_records - skip if take is None else take
    return Shard(str(path), "train", 0, skip, take, num_records)


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize(("skip", "take"), [(0, 23), (0, 5), (7, 9), (22, 1), (3, 0)])
def test_the_wanted_records_come_back_in_order(tmp_path, file_format, skip, take):
    WRITERS[file_format](tmp_path / "file", _records(23))
    shard = _shard(tmp_path / "file", 23, skip, take)
    assert list(read_shard(shard, file_format)) == _records(23)[skip : skip + take]


def test_records_larger_than_a_block_come_back(tmp_path, rng, monkeypatch):
    monkeypatch.setattr("invert_jax.datasets.tfds.records._BLOCK_BYTES", 1000)
    records = [rng.bytes(length) for length in [10, 5000, 0, 999, 1, 3000]]
    for file_format in FORMATS:
        WRITERS[file_format](tmp_path / file_format, records)
        shard = _shard(tmp_path / file_format, len(records))
        assert list(read_shard(shard, file_format)) == records


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_missing_file_is_named(tmp_path, file_format):
    with pytest.raises(FileNotFoundError, match=r"nowhere` is listed .* not exist"):
        list(read_shard(_shard(tmp_path / "nowhere", 1), file_format))


@pytest.mark.parametrize("kept", [0, 5, 11, 12, 13, 40, 60])
def test_a_truncated_tfrecord_names_the_record_where_it_ends(tmp_path, kept):
    whole = tfrecord_bytes([b"x" * 20] * 2)  # 36 bytes each
    (tmp_path / "file").write_bytes(whole[:kept])
    record = kept // 36
    with pytest.raises(
        ValueError, match=rf"record {record} of `.*file` cannot be read"
    ):
        list(read_shard(_shard(tmp_path / "file", 2), "tfrecord"))


@pytest.mark.parametrize("byte", range(36, 72))
def test_a_changed_byte_of_a_tfrecord_names_its_record(tmp_path, byte):
    damaged = bytearray(tfrecord_bytes([b"x" * 20] * 3))
    damaged[byte] ^= 1
    (tmp_path / "file").write_bytes(damaged)
    records = read_shard(_shard(tmp_path / "file", 3), "tfrecord")
    with pytest.raises(ValueError, match=r"record 1 of .*checksum"):
        list(records)


def test_a_damaged_length_is_found_when_its_record_is_skipped(tmp_path):
    damaged = bytearray(tfrecord_bytes([b"x" * 20] * 3))
    damaged[0] ^= 1
    (tmp_path / "file").write_bytes(damaged)
    with pytest.raises(ValueError, match=r"record 0 of .* checksum of its length"):
        list(read_shard(_shard(tmp_path / "file", 3, skip=2), "tfrecord"))


def test_a_huge_length_with_a_right_checksum_allocates_nothing(tmp_path):
    length = (2**60).to_bytes(8, "little")
    head = length + masked_crc(length).to_bytes(4, "little")
    (tmp_path / "file").write_bytes(head + bytes(100))
    with pytest.raises(ValueError, match=r"record 0 of .* ends inside it"):
        list(read_shard(_shard(tmp_path / "file", 1), "tfrecord"))


def test_a_truncated_array_record_is_not_taken_for_an_empty_one(tmp_path):
    path = tmp_path / "file"
    WRITERS["array_record"](path, _records(20))
    path.write_bytes(path.read_bytes()[:70_000])
    with pytest.raises(ValueError, match=r"file` must hold 20 records .* got 0"):
        list(read_shard(_shard(path, 20), "array_record"))


def test_without_array_record_the_package_to_install_is_named(tmp_path, monkeypatch):
    WRITERS["array_record"](tmp_path / "file", _records(3))
    monkeypatch.setitem(sys.modules, "array_record.python", None)
    with pytest.raises(ImportError, match="needs `array_record`: use `pip install"):
        list(read_shard(_shard(tmp_path / "file", 3), "array_record"))


def test_a_damaged_record_of_an_array_record_is_named(tmp_path):
    path = tmp_path / "file"
    records = [b"%03d" % i * 50 for i in range(20)]
    WRITERS["array_record"](path, records)
    damaged = bytearray(path.read_bytes())
    # Chunks follow each other at about equal distances: hit one in the middle.
    first, last = 64, max(i for i, byte in enumerate(damaged[:4000]) if byte)
    damaged[(first + last) // 2] ^= 255
    path.write_bytes(damaged)

    good: list[bytes] = []
    with pytest.raises(
        ValueError, match=r"record \d+ of `.*file` cannot be read"
    ) as got:
        good.extend(read_shard(_shard(path, 20), "array_record"))
    named = int(str(got.value).split()[1])
    assert 0 < named < 19
    before = _shard(path, 20, take=named)
    assert list(read_shard(before, "array_record")) == records[:named]


def test_a_parquet_of_another_kind_is_refused(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"label": [1, 2]}), tmp_path / "file")
    with pytest.raises(ValueError, match=r"record 0 of .* must be binary; got int64"):
        list(read_shard(_shard(tmp_path / "file", 2), "parquet"))


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("damage", ["flipped", "truncated", "random"])
def test_damaged_files_give_the_records_or_our_error(
    tmp_path, rng, file_format, damage
):
    path = tmp_path / "file"
    records = _records(20)
    WRITERS[file_format](path, records)
    whole = path.read_bytes()
    filled = whole.rstrip(b"\0")
    for trial in range(60):
        if damage == "flipped":
            changed = bytearray(whole)
            for byte in rng.integers(len(filled), size=rng.integers(1, 4)):
                changed[byte] ^= rng.integers(1, 256)
            path.write_bytes(changed)
        elif damage == "truncated":
            path.write_bytes(whole[: rng.integers(len(filled))])
        else:
            path.write_bytes(rng.bytes(rng.integers(3000)))
        seen: list[bytes] = []
        try:
            seen.extend(itertools.islice(read_shard(_shard(path, 20), file_format), 99))
        except (ValueError, FileNotFoundError) as error:
            assert str(path) in str(error), trial
        else:
            # Parquet has no checksums: only its structure is checked.
            assert file_format == "parquet" or seen == records, trial
            assert damage == "flipped", trial


def test_bytes_after_the_last_record_of_a_tfrecord_are_refused(tmp_path):
    path = tmp_path / "a.tfrecord"
    path.write_bytes(tfrecord_bytes(_records(5)) + b"junk")
    with pytest.raises(ValueError, match=r"must end after 5 records .* 4 bytes more"):
        list(read_shard(_shard(path, 5), "tfrecord"))
    assert len(list(read_shard(_shard(path, 5, 0, 3), "tfrecord"))) == 3
