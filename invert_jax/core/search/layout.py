"""How the arrays of a search are laid out: sizes that keep its products exact.

The rows are cut into chunks so short that a float32 product of one chunk of limbs with
a mask is exact: every partial sum is an integer of at most 24 bits, in any order of
addition. The chunks are added as integers.

A program is compiled for sizes, so that sizes come in classes: two small tables mostly
share one, and two larger ones of nearly the same size may. What a class has room for
beyond what is there costs little: chunks that are not used, rows that hold no sample,
concepts that never hold.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from invert_jax.core import exact

BITS = 32
# A TPU makes float32 products of bfloat16 parts, whose sums may exceed the whole a
# little: half of 2**24 leaves room.
LARGEST_SUM = 1 << 23
CPU_SUM = 1 << 24
# Of so many chunks the sums stay within int32.
MOST_CHUNKS = (1 << 31) // CPU_SUM - 1
LARGEST_CHUNK = LARGEST_SUM >> exact.LIMB_BITS
# Products of longer chunks are no faster on a CPU, those of shorter ones are slower.
CPU_CHUNK, SMALLEST_CHUNK = 1024, 256
# Rows times concepts of a table that is searched in no time: its sizes are powers of 2.
SMALL_TABLE = 1 << 16
LEAST_ROWS, LEAST_CONCEPTS = 256, 32
# Fewer chunks than this are cut short, so that the last one is nearly full.
CHUNKS_CUT_SHORT = 16
# Room for up to so many is a power of two, as chunks that are not used cost nothing.
CHUNKS_BY_POWERS = 64


class Layout(NamedTuple):
    """Sizes of the arrays of a search.

    Attributes:
        num_limbs: Digits of a row sum.
        num_chunks: Chunks of rows that there is room for.
        rows_per_chunk: A multiple of 32.
        num_concepts: Concepts that there is room for, or as many as there are.
    """

    num_limbs: int
    num_chunks: int
    rows_per_chunk: int
    num_concepts: int = 0


def choose_layout(
    row_counts: Int[np.ndarray, " rows"],
    num_concepts: int,
    *,
    on_cpu: bool = True,
) -> Layout:
    """The fewest limbs, then the longest chunks, that keep all products exact.

    The centered doubled midranks of n of N samples sum to at most n (N - n) in size,
    so that the counts alone tell how large a partial sum can be.

    Args:
        row_counts: Samples of each row.
        num_concepts: Columns.
        on_cpu: Whether a CPU searches; another device may round more and likes longer
            chunks.

    >>> choose_layout(np.full(1000, 50), 20)
    Layout(num_limbs=2, num_chunks=1, rows_per_chunk=1024, num_concepts=32)
    """
    counts = np.asarray(row_counts, np.int64)
    num_rows, num_samples = len(counts), int(counts.sum())
    longest_chunk = CPU_CHUNK if on_cpu else LARGEST_CHUNK
    largest_sum = CPU_SUM if on_cpu else LARGEST_SUM
    rows = _power_of_two(max(num_rows, LEAST_ROWS))
    concepts = _power_of_two(max(num_concepts, LEAST_CONCEPTS))
    chunk = min(rows, longest_chunk)
    if rows * concepts > SMALL_TABLE:
        concepts = room_for(max(num_concepts, LEAST_CONCEPTS))
        least_chunks = -(-num_rows // longest_chunk)
        if least_chunks < CHUNKS_CUT_SHORT:
            chunk = -(-num_rows // (least_chunks * BITS)) * BITS
    largest = counts * (num_samples - counts)
    for num_limbs in (1, 2, 3, 4):
        shift = exact.LIMB_BITS * (num_limbs - 1)
        top = (largest >> shift) + (num_limbs > 1)
        for halvings in range(chunk.bit_length()):
            length = -(-chunk // (BITS << halvings)) * BITS
            if length < min(chunk, SMALLEST_CHUNK):
                break
            sums = np.add.reduceat(top, np.arange(0, num_rows, length))
            num_chunks = len(sums)
            fits = num_chunks <= MOST_CHUNKS or num_samples**2 >> (shift + 2) < 1 << 30
            if sums.max() <= largest_sum and fits:
                room = room_for(num_chunks)
                if num_chunks <= CHUNKS_BY_POWERS:
                    room = _power_of_two(num_chunks)
                return Layout(num_limbs, room, length, concepts)
    raise ValueError(
        "`row_counts` must sum to so few samples that four limbs hold every sum, "
        f"{exact.MAX_SAMPLES} at least; got {counts.sum()}."
    )


def room_for(number: int) -> int:
    """The least size of a class that holds so many: sixteen to each power of two.

    >>> [room_for(number) for number in (1, 33, 34, 1000, 1025)]
    [1, 34, 34, 1024, 1088]
    """
    step = 1 << max(0, (number - 1).bit_length() - 5)
    return -(-number // step) * step


def _power_of_two(number: int) -> int:
    """The least power of two that is no smaller."""
    return 1 << (number - 1).bit_length()
