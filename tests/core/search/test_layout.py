"""Sizes: every product is exact, small jobs share them, and few are wasted."""

import numpy as np
import pytest

from invert_jax.core import exact
from invert_jax.core.search import layout as sizes
from invert_jax.core.search.layout import Layout, choose_layout, room_for

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


@pytest.mark.parametrize("on_cpu", [True, False])
@pytest.mark.parametrize("counts", COUNTS.values(), ids=COUNTS)
def test_every_partial_sum_of_a_layout_is_exact(counts, on_cpu):
    """In float32 within a chunk, in int32 over the chunks that are simply added."""
    layout = choose_layout(counts, 32, on_cpu=on_cpu)
    num_limbs, chunk = layout.num_limbs, layout.rows_per_chunk
    largest_sum = LARGEST_FLOAT if on_cpu else LARGEST_FLOAT // 2
    assert is_exact(counts, num_limbs, chunk, largest_sum)
    assert is_exact(counts, num_limbs, chunk * sizes.MOST_CHUNKS, 2**31 - 2**24)
    assert counts.sum() <= LARGEST_FLOAT
    assert chunk % sizes.BITS == 0
    assert len(counts) <= layout.num_chunks * chunk


@pytest.mark.parametrize("counts", COUNTS.values(), ids=COUNTS)
def test_the_last_limb_of_a_sum_over_very_many_chunks_stays_within_int32(counts):
    layout = choose_layout(counts, 32)
    shift = exact.LIMB_BITS * (layout.num_limbs - 1)
    whole = int(counts.sum()) ** 2 // 4 >> shift
    assert layout.num_chunks <= sizes.MOST_CHUNKS or whole < 2**30


@pytest.mark.parametrize("counts", COUNTS.values(), ids=COUNTS)
def test_with_fewer_limbs_no_chunk_that_is_long_enough_would_be_exact(counts):
    layout = choose_layout(counts, 32)
    shortest = min(sizes.SMALLEST_CHUNK, layout.rows_per_chunk)
    assert layout.num_limbs == 1 or not is_exact(
        counts, layout.num_limbs - 1, shortest, LARGEST_FLOAT // 2
    )


def test_layouts_of_the_counts_above_use_every_number_of_limbs():
    used = {choose_layout(counts, 32).num_limbs for counts in COUNTS.values()}
    assert used == {1, 2, 3, 4}


def layout_of(num_rows, num_concepts, **settings):
    return choose_layout(np.ones(num_rows, np.int64), num_concepts, **settings)


def test_small_tables_share_sizes():
    jobs = [(rows, concepts) for rows in (300, 400, 512) for concepts in (1, 20, 32)]
    assert len({layout_of(*job) for job in jobs}) == 1
    assert layout_of(*jobs[0]) == Layout(1, 1, 512, 32)


@pytest.mark.parametrize("on_cpu", [True, False])
@pytest.mark.parametrize("num_concepts", [40, 700, 3001])
@pytest.mark.parametrize("num_rows", [1700, 5000, 9999, 33_000, 300_000])
def test_larger_tables_are_filled_up_by_a_tenth_at_most(num_rows, num_concepts, on_cpu):
    layout = layout_of(num_rows, num_concepts, on_cpu=on_cpu)
    chunk = layout.rows_per_chunk
    rows = -(-num_rows // chunk) * chunk
    assert rows * layout.num_concepts <= 1.13 * num_rows * num_concepts
    assert layout.num_chunks * chunk <= 2 * rows, "room is cheaper than work"


def test_larger_tables_of_nearly_one_size_share_sizes():
    assert layout_of(50_000, 201) == layout_of(51_000, 207)


def test_so_many_samples_that_no_layout_is_exact_are_refused():
    with pytest.raises(ValueError, match="`row_counts` must sum to so few samples"):
        choose_layout(np.array([2**29, 2**29]), 1)


@pytest.mark.parametrize("number", [*range(1, 100), 1023, 1024, 1025, 10**6 + 1])
def test_room_is_at_least_asked_for_and_little_more(number):
    room = room_for(number)
    assert number <= room <= max(number * 17 / 16, number + number % 2 * (number > 32))
    assert room_for(room) == room
