"""Packed rows, and sums over them against NumPy's 64-bit integers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse

from invert_jax.core import exact
from invert_jax.core.search import packing
from invert_jax.core.search.layout import (
    CPU_SUM,
    LARGEST_SUM,
    MOST_CHUNKS,
    Layout,
    choose_layout,
)
from tests.core.search.test_layout import COUNTS

sums_of_both = jax.jit(packing.sums_of_both)
sums_of_concepts = jax.jit(packing.sums_of_concepts)


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
    words = packing.pack_bits(padded).reshape(1, num_members, layout.num_chunks, -1)
    neuron = jnp.asarray(weights[None])
    digits = sums_of_both(words, neuron, table, num_chunks=table.num_chunks)
    found, num_both = packing.measure_of(digits[0, :, :, :num_concepts])
    masks = concepts.astype(np.int64)
    np.testing.assert_array_equal(exact.to_int64(found), (members * sums) @ masks)
    np.testing.assert_array_equal(num_both, (members * counts) @ masks)
    digits = sums_of_concepts(neuron, table)
    found, num_positives = packing.measure_of(digits[0, :, :num_concepts])
    np.testing.assert_array_equal(exact.to_int64(found), sums @ masks)
    np.testing.assert_array_equal(num_positives, counts @ masks)


@pytest.mark.parametrize(
    "name",
    ["two samples", "a layer", "heavy rows first", "one heavy row in 10,000,000"],
)
def test_sums_over_rows_are_those_of_64_bits(rng, name):
    counts = COUNTS[name]
    check_sums(rng, random_sums(rng, counts), counts, choose_layout(counts, 32))


def test_sums_that_reach_the_bound_of_a_chunk_are_exact(rng):
    """Lower digits are the largest there are, upper ones nearly the largest allowed."""
    counts = np.full(8192, 22)
    layout = choose_layout(counts, 32, on_cpu=False)
    assert layout == Layout(2, num_chunks=2, rows_per_chunk=4096, num_concepts=32)
    largest = counts * (counts.sum() - counts)
    sums = ((largest >> exact.LIMB_BITS) << exact.LIMB_BITS) - 1
    digits = exact.to_limbs(sums, num_limbs=2)[:, :4096].sum(1, dtype=np.int64)
    assert (digits > 0.94 * LARGEST_SUM).all()
    check_sums(rng, sums, counts, layout)
    check_sums(rng, -sums, counts, layout)


def test_sums_that_reach_the_bound_of_a_cpu_are_exact(rng):
    counts = np.ones(65_000, np.int64)
    layout = choose_layout(counts, 32)
    assert (layout.num_limbs, layout.rows_per_chunk) == (1, 256)
    assert 256 * 64_999 > 0.99 * CPU_SUM
    sums = 2 * np.arange(65_000) - 64_999
    check_sums(rng, sums, counts, layout)
    check_sums(rng, -sums, counts, layout)


def test_sums_of_very_many_chunks_are_carried(rng):
    """Those of one limb of the first chunks alone would not fit into 32 bits."""
    num_chunks = 3 * MOST_CHUNKS + 5
    counts = np.full(32 * num_chunks, 250)
    largest = counts * (counts.sum() - counts)
    layout = Layout(3, num_chunks + 7, rows_per_chunk=32)
    for sums in (largest, -largest, random_sums(rng, counts)):
        check_sums(rng, sums, counts, layout)


def test_chunks_that_are_room_are_not_added(rng):
    counts = rng.integers(1, 20, 70)
    check_sums(rng, random_sums(rng, counts), counts, Layout(2, 8, 32, 40))


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
    rows = np.asarray(packing.unpack(table.words)).reshape(5, 96)
    np.testing.assert_array_equal(rows[:, :70].T, masks)
    assert not rows[:, 70:].any()
    filled = np.asarray(packing.unpack(table.filled)).reshape(-1)
    np.testing.assert_array_equal(filled, np.arange(96) < 70)
    assert table.row_counts.reshape(-1)[:70].tolist() == counts.tolist()
    assert int(table.num_chunks) == 3


def test_columns_packed_a_few_at_a_time_are_packed_alike(rng):
    masks = scipy.sparse.csr_array(rng.random((40, 9)) < 0.3)
    counts, layout = np.ones(40, np.int64), Layout(1, 1, 64)
    wanted = packing.pack(masks, counts, layout)
    # A chunk of rows this long leaves room for 2**26 / 2**25 = 2 columns at a time.
    tall = Layout(1, 1 << 19, 64)
    found = packing.pack(masks, counts, tall)
    np.testing.assert_array_equal(found.words[:, 0], wanted.words[:, 0])
    assert not found.words[:, 1:].any()


def test_rows_that_fill_up_hold_no_sample(rng):
    values = rng.normal(size=(2, 70)).astype(np.float32)
    spread = packing.spread(values, Layout(2, 3, 32))
    assert spread.shape == (2, 3, 32)
    np.testing.assert_array_equal(spread.reshape(2, -1)[:, :70], values)
    assert not spread.reshape(2, -1)[:, 70:].any()
