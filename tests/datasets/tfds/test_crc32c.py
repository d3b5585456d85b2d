import numpy as np
import pytest

from invert_jax.datasets.tfds.crc32c import crc32c, crc32c_of_each


# RFC 3720, appendix B.4.
@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
        (b"", 0),
    ],
    ids=["zeros", "ones", "rising", "falling", "empty"],
)
def test_the_vectors_of_the_standard_are_met(record, expected):
    assert crc32c(record) == expected
    assert crc32c_of_each([record]).tolist() == [expected]


def test_records_of_all_lengths_together_agree_with_the_table_byte_by_byte(rng):
    lengths = [0, 1, 2, 3, 4, 5, 7, 8, 255, 256, 257, 511, 512, 513, 1000, 70_001]
    records = [rng.bytes(length) for length in lengths]
    assert crc32c_of_each(records).tolist() == [crc32c(record) for record in records]


def test_every_flipped_bit_changes_the_checksum(rng):
    record = bytearray(rng.bytes(300))
    flipped = []
    for bit in range(0, 2400, 7):
        record[bit // 8] ^= 1 << (bit % 8)
        flipped.append(bytes(record))
        record[bit // 8] ^= 1 << (bit % 8)
    crcs = crc32c_of_each([bytes(record), *flipped])
    assert len(np.unique(crcs)) == len(crcs)


def test_no_records_have_no_checksums():
    assert crc32c_of_each([]).shape == (0,)
