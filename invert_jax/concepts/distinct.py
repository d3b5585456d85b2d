"""Distinct rows of a mask table, numbered by first occurrence."""

import itertools

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Int, Int32, Shaped, UInt8

_CHUNK = 1 << 22  # truth values made dense at once


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
    indices = np.ascontiguousarray(matrix.indices)
    return _group_equal_slices(indices, matrix.indptr * np.int64(indices.itemsize))


def distinct_packed_rows(
    packed: UInt8[np.ndarray, "samples bytes"],
) -> tuple[Int[np.ndarray, " groups"], Int32[np.ndarray, " samples"]]:
    """First sample of each distinct row of bytes, and the group of each sample.

    >>> packed = np.array([[1, 2], [3, 4], [1, 2]], np.uint8)
    >>> first, group = distinct_packed_rows(packed)
    >>> first.tolist(), group.tolist()
    ([0, 1], [0, 1, 0])
    """
    num_samples, width = packed.shape
    return _group_equal_slices(packed, np.arange(num_samples + 1) * width)


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


def _group_equal_slices(
    content: Shaped[np.ndarray, "..."], bounds: Int[np.ndarray, " bounds"]
) -> tuple[Int[np.ndarray, " groups"], Int32[np.ndarray, " samples"]]:
    """Groups of the stretches of bytes between the bounds."""
    view = content.reshape(-1).view(np.uint8).data
    code_of_row: dict[bytes, int] = {}
    codes = np.fromiter(
        (
            code_of_row.setdefault(bytes(view[start:stop]), len(code_of_row))
            for start, stop in itertools.pairwise(bounds.tolist())
        ),
        np.int64,
        len(bounds) - 1,
    )
    return number_by_first_occurrence(codes, len(code_of_row))
