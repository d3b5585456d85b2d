"""The concepts as the search sees them: bits of the distinct rows, and exact products.

The rows are cut into chunks so short that a float32 product of one chunk of limbs with
a mask is exact: every partial sum is an integer of at most 24 bits, in any order of
addition. The chunks are added as integers.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse
from jax import Array, lax
from jaxtyping import Float, Int, UInt32

from invert_jax.core import exact

BITS = 32
EXACT = lax.Precision.HIGHEST
# A TPU makes float32 products of bfloat16 parts, whose sums may exceed the whole a
# little: half of 2**24 leaves room.
LARGEST_SUM = 1 << 23
LARGEST_CHUNK = LARGEST_SUM >> exact.LIMB_BITS
SMALLEST_CHUNK = 128


class ConceptTable(NamedTuple):
    """Distinct concept rows, packed; rows that fill up the last chunk hold no sample.

    Attributes:
        words: Bit r of word w of chunk c is the truth value on row (c W + w) 32 + r.
        filled: The same of a concept that holds on all rows but those that fill up.
        row_counts: Samples of each row.
        num_positives: Samples of each concept.
    """

    words: UInt32[Array, "chunks concepts words"]
    filled: UInt32[Array, "chunks words"]
    row_counts: Float[Array, "chunks rows"]
    num_positives: Int[Array, " concepts"]


class Layout(NamedTuple):
    """How sums over rows are cut so that every product is exact.

    Attributes:
        num_limbs: Digits of a row sum.
        num_chunks: Chunks of rows.
        rows_per_chunk: A multiple of 32.
    """

    num_limbs: int
    num_chunks: int
    rows_per_chunk: int


def choose_layout(row_counts: Int[np.ndarray, " rows"]) -> Layout:
    """The fewest limbs, then the longest chunks, that keep all products exact.

    The centered doubled midranks of n of N samples sum to at most n (N - n) in size,
    so that the counts alone tell how large a partial sum can be.

    >>> choose_layout(np.full(1000, 50))
    Layout(num_limbs=2, num_chunks=1, rows_per_chunk=1024)
    """
    counts = np.asarray(row_counts, np.int64)
    largest = counts * (counts.sum() - counts)
    whole = -(-len(counts) // BITS) * BITS
    for num_limbs in (1, 2, 3, 4):
        top = (largest >> (exact.LIMB_BITS * (num_limbs - 1))) + (num_limbs > 1)
        chunk = min(whole, LARGEST_CHUNK)
        while chunk >= min(whole, SMALLEST_CHUNK):
            sums = np.add.reduceat(top, np.arange(0, len(top), chunk))
            if sums.max() <= LARGEST_SUM:
                return Layout(num_limbs, -(-whole // chunk), chunk)
            chunk = chunk // 2 // BITS * BITS
    raise ValueError(
        "`row_counts` must sum to so few samples that four limbs hold every sum, "
        f"{exact.MAX_SAMPLES} at least; got {counts.sum()}."
    )


def pack(
    rows: scipy.sparse.csr_array, row_counts: Int[np.ndarray, " rows"], layout: Layout
) -> ConceptTable:
    """The table of concepts; columns are packed a few thousand at a time."""
    num_chunks, chunk = layout.num_chunks, layout.rows_per_chunk
    num_concepts = rows.shape[1]
    words = np.zeros((num_chunks, num_concepts, chunk // BITS), np.uint32)
    columns = scipy.sparse.csc_array(rows)
    step = max(1, (1 << 26) // (num_chunks * chunk))
    for start in range(0, num_concepts, step):
        part = columns[:, start : start + step].toarray().T.astype(bool)
        padded = np.zeros((len(part), num_chunks * chunk), bool)
        padded[:, : part.shape[1]] = part
        packed = pack_bits(padded).reshape(len(part), num_chunks, -1)
        words[:, start : start + step] = packed.swapaxes(0, 1)
    num_positives = row_counts @ columns.astype(np.int64)
    filled = pack_bits(np.arange(num_chunks * chunk) < rows.shape[0])
    return ConceptTable(
        words=jax.device_put(words),
        filled=jax.device_put(filled.reshape(num_chunks, -1)),
        row_counts=jax.device_put(spread(row_counts, layout)),
        num_positives=jax.device_put(num_positives.astype(np.int32)),
    )


def pack_bits(bits: np.ndarray) -> np.ndarray:
    """uint32 words of the last axis, whose length is a multiple of 32.

    >>> pack_bits(np.arange(32) == 1)
    array([2], dtype=uint32)
    """
    little = np.packbits(bits, axis=-1, bitorder="little")
    return little.view("<u4").astype(np.uint32)


def spread(values: np.ndarray, layout: Layout) -> np.ndarray:
    """float32 [..., chunks, rows] of numbers per row; zero on rows that fill up."""
    shape = (layout.num_chunks, layout.rows_per_chunk)
    padded = np.zeros((*values.shape[:-1], shape[0] * shape[1]), np.float32)
    padded[..., : values.shape[-1]] = values
    return padded.reshape(*values.shape[:-1], *shape)


def pad_concepts(table: ConceptTable, *, multiple: int) -> ConceptTable:
    """The table with concepts that never hold added, to a multiple of so many.

    Loops over concepts without a rest are faster.
    """
    padding = (0, -len(table.num_positives) % multiple)
    return table._replace(
        words=jnp.pad(table.words, ((0, 0), padding, (0, 0))),
        num_positives=jnp.pad(table.num_positives, padding),
    )


def unpack(words: UInt32[Array, "*axes words"]) -> Float[Array, "*axes rows"]:
    """Truth values as float32."""
    shifts = jnp.arange(BITS, dtype=jnp.uint32)
    bits = (jnp.expand_dims(words, -1) >> _like(shifts, words)) & jnp.uint32(1)
    return bits.astype(jnp.float32).reshape(*words.shape[:-1], -1)


def sums_of_both(
    members: UInt32[Array, "chunks members words"],
    weights: Float[Array, "chunks limbs rows"],
    table: ConceptTable,
) -> tuple[exact.Wide, Int[Array, "members concepts"]]:
    """Sum of weights and number of samples where a member and a concept both hold.

    Args:
        members: Packed masks.
        weights: Limbs of the row sums.
        table: The concepts.
    """

    def add_chunk(totals, chunk):
        words, limbs, concept_words, counts = chunk
        columns = jnp.concatenate((limbs, jnp.expand_dims(counts, 0)))
        masked = jnp.expand_dims(unpack(words), 1) * jnp.expand_dims(columns, 0)
        held = unpack(concept_words)
        sums = jnp.einsum("mlr,cr->mlc", masked, held, precision=EXACT)
        sums = sums.astype(jnp.int32)
        total, num_both = totals
        of_limbs = sums[:, :-1].swapaxes(0, 1)
        total = exact.normalize(exact.plus(total, exact.from_limbs(of_limbs)))
        return (total, num_both + sums[:, -1]), None

    shape = (members.shape[1], table.words.shape[1])
    zeros = jnp.zeros(shape, jnp.int32)
    chunks = (members, weights, table.words, table.row_counts)
    totals, _ = lax.scan(add_chunk, (exact.Wide(zeros, zeros), zeros), chunks)
    return totals


def sum_of_all(weights: Float[Array, "chunks limbs rows"]) -> exact.Wide:
    """Sum of the weights over all rows."""

    def add_chunk(total, limbs):
        return exact.normalize(exact.plus(total, exact.from_limbs(limbs))), None

    zero = jnp.int32(0)
    sums = weights.sum(-1).astype(jnp.int32)
    return lax.scan(add_chunk, exact.Wide(zero, zero), sums)[0]


def _like(values: Array, words: Array) -> Array:
    """`values` with leading axes of length 1, to broadcast against words."""
    return values.reshape((1,) * words.ndim + values.shape)
