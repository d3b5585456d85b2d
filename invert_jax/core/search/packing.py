"""The concepts as the search sees them: bits of the distinct rows, and exact products.

See `layout` for what keeps them exact.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Float, Int, UInt32

from invert_jax.core import exact
from invert_jax.core.search.layout import BITS, MOST_CHUNKS, Layout

EXACT = lax.Precision.HIGHEST


class ConceptTable(NamedTuple):
    """Distinct concept rows, packed; rows that fill up the last chunk hold no sample.

    Attributes:
        words: Bit r of word w of chunk c is the truth value on row (c W + w) 32 + r.
        filled: The same of a concept that holds on all rows but those that fill up.
        row_counts: Samples of each row.
        num_chunks: Chunks that hold samples; the others are room.
    """

    words: UInt32[Array, "concepts chunks words"]
    filled: UInt32[Array, "chunks words"]
    row_counts: Float[Array, "chunks rows"]
    num_chunks: Int[Array, ""]


class Measure(NamedTuple):
    """The two numbers of a mask that its score depends on.

    Attributes:
        sums: Sum of weights where it holds.
        num_positives: Number of samples where it holds.
    """

    sums: exact.Wide
    num_positives: Int[Array | np.ndarray, "..."]


def pack(
    rows: scipy.sparse.csr_array, row_counts: Int[np.ndarray, " rows"], layout: Layout
) -> ConceptTable:
    """The table of concepts; columns are packed a few thousand at a time."""
    num_chunks, chunk = layout.num_chunks, layout.rows_per_chunk
    num_rows, num_concepts = rows.shape
    room = max(num_concepts, layout.num_concepts)
    words = np.zeros((room, num_chunks, chunk // BITS), np.uint32)
    columns = scipy.sparse.csc_array(rows)
    step = max(1, (1 << 26) // (num_chunks * chunk))
    for start in range(0, num_concepts, step):
        part = columns[:, start : start + step].toarray().T.astype(bool)
        padded = np.zeros((len(part), num_chunks * chunk), bool)
        padded[:, :num_rows] = part
        packed = pack_bits(padded).reshape(len(part), num_chunks, -1)
        words[start : start + len(part)] = packed
    filled = pack_bits(np.arange(num_chunks * chunk) < num_rows)
    return ConceptTable(
        words=jax.device_put(words),
        filled=jax.device_put(filled.reshape(num_chunks, -1)),
        row_counts=jax.device_put(spread(row_counts, layout)),
        num_chunks=jax.device_put(np.int32(-(-num_rows // chunk))),
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


def unpack(words: UInt32[Array, "*axes words"]) -> Float[Array, "*axes rows"]:
    """Truth values as float32."""
    shifts = jnp.arange(BITS, dtype=jnp.uint32)
    bits = (jnp.expand_dims(words, -1) >> _like(shifts, words)) & jnp.uint32(1)
    return bits.astype(jnp.float32).reshape(*words.shape[:-1], -1)


def sums_of_concepts(
    weights: Float[Array, "neurons chunks limbs rows"], table: ConceptTable
) -> Int[Array, "neurons digits concepts"]:
    """Sums of weights and numbers of samples where a concept holds.

    Returns:
        Sums of the limbs, and last the number of samples; for `measure_of`.
    """

    def products(chunk):
        held = unpack(_at(table.words, chunk, axis=1))
        columns = _columns(weights, table, chunk)
        return jnp.einsum("nlr,cr->nlc", columns, held, precision=EXACT)

    return _sum_of_chunks(products, table, table.num_chunks)


def sums_of_both(
    members: UInt32[Array, "neurons members chunks words"],
    weights: Float[Array, "neurons chunks limbs rows"],
    table: ConceptTable,
    *,
    num_chunks: Int[Array, ""],
) -> Int[Array, "neurons members digits concepts"]:
    """Sums of weights and numbers of samples where a member and a concept both hold.

    Args:
        members: Packed masks.
        weights: Limbs of the row sums.
        table: The concepts.
        num_chunks: How many of the chunks to take.

    Returns:
        As of `sums_of_concepts`.
    """

    def products(chunk):
        held = unpack(_at(table.words, chunk, axis=1))
        columns = jnp.expand_dims(_columns(weights, table, chunk), 1)
        masks = jnp.expand_dims(unpack(_at(members, chunk, axis=2)), 2)
        return jnp.einsum("nmlr,cr->nmlc", columns * masks, held, precision=EXACT)

    return _sum_of_chunks(products, table, num_chunks)


def _columns(
    weights: Float[Array, "neurons chunks limbs rows"],
    table: ConceptTable,
    chunk: Int[Array, ""],
) -> Float[Array, "neurons digits rows"]:
    """The limbs of a chunk, and last its samples."""
    of_chunk = _at(weights, chunk, axis=1)
    shape = (len(of_chunk), 1, of_chunk.shape[2])
    counts = lax.broadcast_in_dim(_at(table.row_counts, chunk), shape, (2,))
    return jnp.concatenate((of_chunk, counts), axis=1)


def _sum_of_chunks(
    products: Callable[[Int[Array, ""]], Float[Array, "..."]],
    table: ConceptTable,
    num_chunks: Int[Array, ""],
) -> Int[Array, "..."]:
    """The sum of exact products over the first chunks."""

    def add_chunk(chunk, sums):
        return sums + products(chunk).astype(jnp.int32)

    def add_some(some, sums):
        start = some * MOST_CHUNKS
        stop = jnp.minimum(start + MOST_CHUNKS, num_chunks)
        return _carried(lax.fori_loop(start, stop, add_chunk, sums))

    first = jnp.int32(0)
    nothing = jnp.zeros(jax.eval_shape(products, first).shape, jnp.int32)
    room = table.words.shape[1]
    if room == 1:
        # XLA takes a product that is the same each time out of its loop, and makes it
        # even where none is asked for.
        return lax.cond(
            num_chunks > 0, lambda: add_chunk(first, nothing), lambda: nothing
        )
    if room <= MOST_CHUNKS:
        return lax.fori_loop(first, num_chunks, add_chunk, nothing)
    times = jnp.int32(-(-room // MOST_CHUNKS))
    return lax.fori_loop(first, times, add_some, nothing)


def _carried(
    digits: Int[Array, "*axes digits concepts"],
) -> Int[Array, "*axes digits concepts"]:
    """The same sums, with all limbs but the last in [0, 2**11)."""
    *limbs, count = (digits[..., each, :] for each in range(digits.shape[-2]))
    for place in range(len(limbs) - 1):
        carry = limbs[place] >> exact.LIMB_BITS
        limbs[place] &= exact.LIMB_MASK
        limbs[place + 1] += carry
    return jnp.stack((*limbs, count), -2)


def measure_of(digits: Int[Array, "*axes digits concepts"]) -> Measure:
    """The two numbers of each mask from the sums of its limbs."""
    *limbs, count = (digits[..., each, :] for each in range(digits.shape[-2]))
    return Measure(exact.from_limbs(limbs), count)


def _at(values: Array, index: Int[ArrayLike, ""], *, axis: int = 0) -> Array:
    """The values at one place of an axis."""
    return lax.dynamic_index_in_dim(values, index, axis, keepdims=False)


def _like(values: Array, words: Array) -> Array:
    """`values` with leading axes of length 1, to broadcast against words."""
    return values.reshape((1,) * words.ndim + values.shape)
