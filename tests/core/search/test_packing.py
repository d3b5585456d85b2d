"""Packed rows, and sums over them against NumPy's 64-bit integers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse

from invert_jax.core import exact
from invert_jax.core.search import packing
from invert_jax.core.search.packing import Layout

LARGEST_FLOAT = 1 << 24


def heavy_rows(num_rows, num_heavy, num_samples):
    """A few rows of nearly all samples, the rest one sample each."""
    counts = np.ones(num_rows, np.int64)
    rest = num_samples - (num_rows - num_heavy)
    counts[:num_heavy] = rest // num_heavy
    counts[0] += num_samples - counts.sum()
    return counts


COUNTS = {
    "two samples": np.array([1, 1]),
    "one row": np.array([10]),
    "single samples": np.ones(4000, np.int64),
    "a layer": np.full(1000, 50),
    "nearly all rows distinct": np.full(30_000, 2),
    "two halves of the most samples": heavy_rows(2, 2, exact.MAX_SAMPLES),
    "heavy rows first": heavy_rows(9000, 40, exact.MAX_SAMPLES),
    "one heavy row in 10,000,000": heavy_rows(5000, 1, 10_000_000),
    "100,000 equal rows": np.full(100_000, 160),
}


def largest_digits(counts, num_limbs):
    """The largest size of each limb of any row sum; of Python's integers."""
    num_samples = int(counts.sum())
    largest = [int(n) * (num_samples - int(n)) for n in counts]
    shift = exact.LIMB_BITS * (num_limbs - 1)
    top = [max(v >> shift, -(-v >> shift)) for v in largest]
    lower = [min(v, exact.LIMB_MASK) for v in largest]
    return [lower] * (num_limbs - 1) + [top]


def is_exact(counts, num_limbs, rows_per_chunk, largest_sum):
    starts = range(0, len(counts), rows_per_chunk)
    return all(
        sum(digits[start : start + rows_per_chunk]) <= largest_sum
        for digits in largest_digits(counts, num_limbs)
        for start in starts
    )


@pytest.mark.parametrize("counts", COUNTS.values(), ids=COUNTS)
def test_every_partial_sum_of_a_layout_is_exact_in_float32(counts):
    layout = packing.choose_layout(counts)
    assert is_exact(
        counts, layout.num_limbs, layout.rows_per_chunk, packing.LARGEST_SUM
    )
    assert counts.sum() <= LARGEST_FLOAT
    assert layout.rows_per_chunk % packing.BITS == 0
    covered = layout.num_chunks * layout.rows_per_chunk
    assert len(counts) <= covered < len(counts) + layout.rows_per_chunk


@pytest.mark.parametrize("counts", COUNTS.values(), ids=COUNTS)
def test_with_fewer_limbs_no_chunk_that_is_long_enough_would_be_exact(counts):
    layout = packing.choose_layout(counts)
    shortest = min(packing.SMALLEST_CHUNK, layout.rows_per_chunk)
    assert layout.num_limbs == 1 or not is_exact(
        counts, layout.num_limbs - 1, shortest, packing.LARGEST_SUM // 2
    )


def test_layouts_of_the_counts_above_use_every_number_of_limbs():
    used = {packing.choose_layout(counts).num_limbs for counts in COUNTS.values()}
    assert used == {1, 2, 3, 4}


def random_sums(rng, counts):
    """Row sums of any sign and size that midranks may have, ends included."""
    largest = counts * (counts.sum() - counts)
    sums = np.rint(largest * rng.uniform(-1, 1, len(counts))).astype(np.int64)
    ends = rng.random(len(counts))
    sums = np.where(ends < 0.2, largest, np.where(ends > 0.8, -largest, sums))
    assert (abs(sums) <= largest).all()
    return sums


def check_sums(rng, sums, counts, layout, num_concepts=7, num_members=3):
    """Random masks, and those that hold on all rows, against NumPy's int64."""
    num_rows = len(counts)
    concepts = rng.random((num_rows, num_concepts)) < rng.uniform(0, 1, num_concepts)
    concepts[:, 0] = True
    members = rng.random((num_members, num_rows)) < 0.5
    members[0] = True
    table = packing.pack(scipy.sparse.csr_array(concepts), counts, layout)
    limbs = exact.to_limbs(sums, num_limbs=layout.num_limbs)
    weights = packing.spread(limbs, layout).swapaxes(0, 1)
    padded = np.zeros((num_members, layout.num_chunks * layout.rows_per_chunk), bool)
    padded[:, :num_rows] = members
    words = packing.pack_bits(padded).reshape(num_members, layout.num_chunks, -1)
    found, num_both = jax.jit(packing.sums_of_both)(
        words.swapaxes(0, 1), weights, table
    )
    np.testing.assert_array_equal(
        exact.to_int64(found), (members * sums) @ concepts.astype(np.int64)
    )
    np.testing.assert_array_equal(
        num_both, (members * counts) @ concepts.astype(np.int64)
    )
    total = jax.jit(packing.sum_of_all)(weights)
    assert exact.to_int64(jax.tree.map(jnp.atleast_1d, total)).tolist() == [sums.sum()]
    np.testing.assert_array_equal(table.num_positives, counts @ concepts)


@pytest.mark.parametrize(
    "name",
    ["two samples", "a layer", "heavy rows first", "one heavy row in 10,000,000"],
)
def test_sums_over_rows_are_those_of_64_bits(rng, name):
    counts = COUNTS[name]
    check_sums(rng, random_sums(rng, counts), counts, packing.choose_layout(counts))


def test_sums_that_reach_the_bound_of_a_chunk_are_exact(rng):
    """Lower digits are the largest there are, upper ones nearly the largest allowed."""
    counts = np.full(8192, 22)
    layout = packing.choose_layout(counts)
    assert layout == Layout(num_limbs=2, num_chunks=2, rows_per_chunk=4096)
    largest = counts * (counts.sum() - counts)
    sums = ((largest >> exact.LIMB_BITS) << exact.LIMB_BITS) - 1
    digits = exact.to_limbs(sums, num_limbs=2)[:, :4096].sum(1, dtype=np.int64)
    assert (digits > 0.94 * packing.LARGEST_SUM).all()
    check_sums(rng, sums, counts, layout)
    check_sums(rng, -sums, counts, layout)


@pytest.mark.parametrize("num_limbs", [1, 2, 3, 4])
def test_any_number_of_limbs_and_chunks_gives_the_same_sums(rng, num_limbs):
    counts = rng.integers(1, 20, 70)
    sums = random_sums(rng, counts)
    check_sums(rng, sums, counts, Layout(num_limbs, 3, 32))


def test_bits_are_packed_by_hand():
    bits = np.zeros((2, 64), bool)
    bits[0, [0, 31, 33]] = True
    assert packing.pack_bits(bits).tolist() == [[2**31 + 1, 2], [0, 0]]


def test_unpacking_gives_the_bits_back(rng):
    bits = rng.random((2, 3, 96)) < 0.5
    found = packing.unpack(jnp.asarray(packing.pack_bits(bits)))
    assert found.dtype == jnp.float32
    np.testing.assert_array_equal(found, bits)


def test_the_table_holds_each_concept_in_the_chunks_of_its_rows(rng):
    masks = rng.random((70, 5)) < 0.5
    counts = rng.integers(1, 9, 70)
    table = packing.pack(scipy.sparse.csr_array(masks), counts, Layout(1, 3, 32))
    unpacked = np.asarray(packing.unpack(table.words))
    rows = unpacked.transpose(1, 0, 2).reshape(5, 96)
    np.testing.assert_array_equal(rows[:, :70].T, masks)
    assert not rows[:, 70:].any()
    filled = np.asarray(packing.unpack(table.filled)).reshape(-1)
    np.testing.assert_array_equal(filled, np.arange(96) < 70)
    assert table.row_counts.reshape(-1)[:70].tolist() == counts.tolist()
    assert table.num_positives.tolist() == (counts @ masks).tolist()


def test_columns_packed_a_few_at_a_time_are_packed_alike(rng):
    masks = scipy.sparse.csr_array(rng.random((40, 9)) < 0.3)
    counts, layout = np.ones(40, np.int64), Layout(1, 1, 64)
    wanted = packing.pack(masks, counts, layout)
    # A chunk of rows this long leaves room for 2**26 / 2**25 = 2 columns at a time.
    tall = Layout(1, 1 << 19, 64)
    found = packing.pack(masks, counts, tall)
    np.testing.assert_array_equal(found.words[0], wanted.words[0])
    assert not found.words[1:].any()


def test_rows_that_fill_up_hold_no_sample(rng):
    values = rng.normal(size=(2, 70)).astype(np.float32)
    spread = packing.spread(values, Layout(2, 3, 32))
    assert spread.shape == (2, 3, 32)
    np.testing.assert_array_equal(spread.reshape(2, -1)[:, :70], values)
    assert not spread.reshape(2, -1)[:, 70:].any()
