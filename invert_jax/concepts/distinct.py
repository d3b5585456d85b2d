"""Distinct rows of a mask table, by hashing with an exact check.

Rows are numbered by first occurrence, so the numbering depends on the content alone and
not on the hash. A hash only proposes which rows are equal; every proposal is compared
element by element, and if one is wrong the rows are grouped by their bytes instead.
"""

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Int, Int32, Shaped, UInt8, UInt64

_CHUNK = 1 << 22  # entries handled at once: bounds the memory of the temporaries


def number_by_first_occurrence(
    codes: Int[np.ndarray, " samples"], num_codes: int
) -> tuple[Int[np.ndarray, " groups"], Int32[np.ndarray, " samples"]]:
    """Where each code occurs first, and the rank of each sample's code in that order.

    Codes are in `range(num_codes)` and may be absent.

    >>> first, group = number_by_first_occurrence(np.array([7, 2, 7, 9]), 10)
    >>> first.tolist(), group.tolist()
    ([0, 1, 3], [0, 1, 0, 2])
    """
    first_of_code = np.full(num_codes, -1, np.int64)
    # Of repeated indices the last assignment stays, hence backwards.
    first_of_code[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    first = np.sort(first_of_code[first_of_code >= 0])
    group_of_code = np.zeros(num_codes, np.int32)
    group_of_code[codes[first]] = np.arange(len(first), dtype=np.int32)
    return first, group_of_code[codes]


def group_equal_keys(
    keys: Shaped[np.ndarray, " samples"],
) -> tuple[Int[np.ndarray, " groups"], Int32[np.ndarray, " samples"]]:
    """First sample of each distinct key, and the group of each sample.

    >>> first, group = group_equal_keys(np.array([50, 10, 50]))
    >>> first.tolist(), group.tolist()
    ([0, 1], [0, 1, 0])
    """
    distinct, codes = np.unique(keys, return_inverse=True)
    return number_by_first_occurrence(codes, len(distinct))


def distinct_sparse_rows(
    matrix: sp.csr_array,
) -> tuple[Int[np.ndarray, " groups"], Int32[np.ndarray, " samples"]]:
    """First sample of each distinct row of a canonical boolean matrix, and the groups.

    The matrix has sorted indices, no duplicates and no stored zeros.

    >>> matrix = sp.csr_array(np.eye(3, dtype=bool)[[2, 0, 2]])
    >>> first, group = distinct_sparse_rows(matrix)
    >>> first.tolist(), group.tolist()
    ([0, 1], [0, 1, 0])
    """
    first, group = group_equal_keys(_hash_sparse_rows(matrix))
    if _equal_sparse_rows(matrix, first[group]):
        return first, group
    starts, stops = matrix.indptr[:-1], matrix.indptr[1:]
    return _group_by_bytes(
        matrix.indices[start:stop].tobytes()
        for start, stop in zip(starts, stops, strict=True)
    )


def distinct_packed_rows(
    packed: UInt8[np.ndarray, "samples bytes"],
) -> tuple[Int[np.ndarray, " groups"], Int32[np.ndarray, " samples"]]:
    """First sample of each distinct row of bytes, and the group of each sample.

    >>> packed = np.array([[1, 2], [3, 4], [1, 2]], np.uint8)
    >>> first, group = distinct_packed_rows(packed)
    >>> first.tolist(), group.tolist()
    ([0, 1], [0, 1, 0])
    """
    first, group = group_equal_keys(_hash_packed_rows(packed))
    step = max(1, _CHUNK // max(1, packed.shape[1]))
    for start in range(0, len(packed), step):
        representatives = first[group[start : start + step]]
        if not np.array_equal(packed[start : start + step], packed[representatives]):
            return _group_by_bytes(row.tobytes() for row in packed)
    return first, group


def pack_rows(
    masks: Bool[np.ndarray, "samples concepts"],
) -> UInt8[np.ndarray, "samples bytes"]:
    """The rows as bits, padded to whole 64-bit words.

    >>> pack_rows(np.array([[True, False, True]])).tolist()
    [[160, 0, 0, 0, 0, 0, 0, 0]]
    """
    bits = np.packbits(masks, axis=1)
    packed = np.zeros((len(masks), -(-bits.shape[1] // 8) * 8), np.uint8)
    packed[:, : bits.shape[1]] = bits
    return packed


def unpack_rows(
    packed: UInt8[np.ndarray, "rows bytes"], num_concepts: int
) -> sp.csr_array:
    """The inverse of `pack_rows`, as a canonical sparse boolean matrix.

    >>> unpack_rows(pack_rows(np.array([[True, False, True]])), 3).toarray().tolist()
    [[True, False, True]]
    """
    step = max(1, _CHUNK // max(1, num_concepts))
    blocks = [
        sp.csr_array(np.unpackbits(block, axis=1, count=num_concepts).view(bool))
        for block in (packed[i : i + step] for i in range(0, len(packed), step))
    ]
    return sp.csr_array(sp.vstack(blocks, format="csr"))


def _group_by_bytes(
    rows: Iterator[bytes],
) -> tuple[Int[np.ndarray, " groups"], Int32[np.ndarray, " samples"]]:
    """Groups of equal byte strings, without a hash of ours."""
    code_of_row: dict[bytes, int] = {}
    codes = np.fromiter(
        (code_of_row.setdefault(row, len(code_of_row)) for row in rows), np.int64
    )
    return number_by_first_occurrence(codes, len(code_of_row))


def _mix(words: UInt64[np.ndarray, "..."]) -> UInt64[np.ndarray, "..."]:
    """The finalizer of splitmix64: a bijection that spreads every bit over the word."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def _keys(count: int) -> UInt64[np.ndarray, " count"]:
    """One pseudorandom word for each of `count` positions, always the same."""
    return _mix(
        np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    )


def _hash_sparse_rows(matrix: sp.csr_array) -> UInt64[np.ndarray, " samples"]:
    """Sum modulo 2^64 of the keys of the columns that are true in each row."""
    keys = _keys(matrix.shape[1])
    hashes = np.zeros(matrix.shape[0], np.uint64)
    for start, stop in _row_chunks(matrix.indptr):
        bounds = matrix.indptr[start : stop + 1]
        sums = np.zeros(bounds[-1] - bounds[0] + 1, np.uint64)
        np.cumsum(keys[matrix.indices[bounds[0] : bounds[-1]]], out=sums[1:])
        ends = sums[bounds - bounds[0]]
        hashes[start:stop] = ends[1:] - ends[:-1]
    return hashes


def _equal_sparse_rows(
    matrix: sp.csr_array, others: Int[np.ndarray, " samples"]
) -> bool:
    """Whether each row equals the row that `others` gives for it."""
    indptr, indices = matrix.indptr.astype(np.int64, copy=False), matrix.indices
    lengths = np.diff(indptr)
    if not np.array_equal(lengths, lengths[others]):
        return False
    for start, stop in _row_chunks(indptr):
        shift = indptr[others[start:stop]] - indptr[start:stop]
        mine = np.arange(indptr[start], indptr[stop])
        theirs = mine + np.repeat(shift, lengths[start:stop])
        if not np.array_equal(indices[indptr[start] : indptr[stop]], indices[theirs]):
            return False
    return True


def _row_chunks(indptr: Int[np.ndarray, " bounds"]) -> Iterator[tuple[int, int]]:
    """Consecutive ranges of rows of about `_CHUNK` entries each, at least one row."""
    start, num_rows = 0, len(indptr) - 1
    while start < num_rows:
        stop = int(np.searchsorted(indptr, indptr[start] + _CHUNK, side="right")) - 1
        stop = min(max(stop, start + 1), num_rows, start + _CHUNK)
        yield start, stop
        start = stop


def _hash_packed_rows(
    packed: UInt8[np.ndarray, "samples bytes"],
) -> UInt64[np.ndarray, " samples"]:
    """Sum modulo 2^64 of the mixed words of each row, each with its position's key."""
    width = packed.shape[1]
    if width % 8:
        packed = np.pad(packed, ((0, 0), (0, -width % 8)))
    words = np.ascontiguousarray(packed).view(np.uint64)
    hashes = np.zeros(len(words), np.uint64)
    for position, key in enumerate(_keys(words.shape[1])):
        hashes += _mix(words[:, position] + key)
    return hashes
