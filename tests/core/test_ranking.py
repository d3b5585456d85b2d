"""Midranks on host and device, against scipy and Python's integers."""

from functools import partial

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from scipy import stats

from invert_jax.core import exact, ranking

BFLOAT16 = ml_dtypes.bfloat16
FLOATS = [np.float16, BFLOAT16, np.float32, np.float64]
INTEGERS = [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32]
WIDE_INTEGERS = [np.int64, np.uint64]
ALL_DTYPES = [*FLOATS, *INTEGERS, *WIDE_INTEGERS, bool]
ON_DEVICE = [d for d in ALL_DTYPES if np.dtype(d).itemsize <= 4]
NUM_SAMPLES = 777


def name_of(dtype):
    return np.dtype(dtype).name


def activations_of(rng, dtype, kind):
    """Samples of every kind of tie, sign and size that the dtype has."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.random(NUM_SAMPLES) < (0.5 if kind == "spread" else 0.02)
    if dtype.kind in "iu":
        bounds = np.iinfo(dtype)
        values = rng.integers(bounds.min, bounds.max, NUM_SAMPLES, dtype, endpoint=True)
        values[:2] = bounds.min, bounds.max
        if kind == "tied":
            values[rng.random(NUM_SAMPLES) < 0.95] = 0
        return values
    values = rng.normal(size=NUM_SAMPLES)
    if kind == "tied":
        values[rng.random(NUM_SAMPLES) < 0.95] = 0
    values = values.astype(dtype)
    tiny = ml_dtypes.finfo(dtype).smallest_subnormal
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.inf], dtype)
    denormals = np.arange(-4, 5).astype(dtype) * tiny
    values[: len(special)] = special
    values[10 : 10 + len(denormals)] = denormals
    return values


def doubled_midranks(values):
    """Of the definition; longdouble holds every dtype here exactly."""
    ranks = stats.rankdata(values.astype(np.longdouble))
    return (2 * ranks - (len(values) + 1)).astype(int)


def in_sample_order(ranks):
    midranks = np.empty(len(ranks.order), int)
    midranks[ranks.order] = ranks.midranks
    return midranks


def tie_sum(values):
    """Of the definition, in Python's integers; -0.0 is 0.0."""
    sizes = np.unique(values.astype(np.longdouble) + 0, return_counts=True)[1]
    return float(sum(int(t) ** 3 - int(t) for t in sizes))


@partial(jax.jit, static_argnames="num_rows")
def rank_on_device(activations, row_of_sample, *, num_rows):
    midranks, rows = ranking.rank_device(activations, row_of_sample)
    sums = ranking.device_row_sums(midranks, rows, num_rows=num_rows)
    return midranks, rows, sums, ranking.device_square_sums(midranks)


def test_midranks_by_hand():
    ranks = ranking.rank_host(np.array([5.0, -2.0, 5.0, 0.0, -0.0], np.float32))
    # Ranks 4.5, 1, 4.5, 2.5, 2.5, doubled, less 6.
    assert in_sample_order(ranks).tolist() == [3, -4, 3, -1, -1]
    assert ranks.tie_sum == 2 * (2**3 - 2)


@pytest.mark.parametrize("kind", ["spread", "tied"])
@pytest.mark.parametrize("dtype", ALL_DTYPES, ids=name_of)
def test_midranks_on_the_host_are_those_of_scipy(rng, dtype, kind):
    values = activations_of(rng, dtype, kind)
    ranks = ranking.rank_host(values)
    np.testing.assert_array_equal(in_sample_order(ranks), doubled_midranks(values))
    assert ranks.tie_sum == tie_sum(values)
    assert (np.diff(ranks.midranks) >= 0).all()


@pytest.mark.parametrize("dtype", ON_DEVICE, ids=name_of)
def test_the_device_ranks_sums_and_ties_as_the_host_does(rng, dtype):
    for kind in ("spread", "tied"):
        values = activations_of(rng, dtype, kind)
        row_of_sample = rng.integers(0, 20, NUM_SAMPLES).astype(np.int32)
        host = ranking.rank_host(values)
        midranks, rows, sums, squares = rank_on_device(
            jnp.asarray(values), row_of_sample, num_rows=20
        )
        np.testing.assert_array_equal(midranks, host.midranks)
        np.testing.assert_array_equal(rows, row_of_sample[host.order])
        wanted = ranking.host_row_sums(host, row_of_sample, num_rows=20)
        np.testing.assert_array_equal(exact.to_int64(sums), wanted)
        parts = np.asarray(squares)[None]
        found = ranking.tie_sum_from_squares(parts, num_samples=NUM_SAMPLES)
        assert found.tolist() == [host.tie_sum]


@pytest.mark.parametrize("dtype", [np.float16, BFLOAT16], ids=name_of)
def test_the_keys_of_all_numbers_of_16_bits_are_in_their_order(dtype):
    infinity = np.array(np.inf, dtype).view(np.uint16)
    positive = np.arange(int(infinity) + 1).astype(np.uint16).view(dtype)
    keys = ranking.sort_keys(positive).astype(np.int64)
    assert (np.diff(keys) == 1).all()
    np.testing.assert_array_equal(
        keys[0] - ranking.sort_keys(-positive).astype(np.int64), keys - keys[0]
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_next_to_each_other_are_told_apart(dtype):
    anchors = np.array([0, 1, -1, 16.6, 1e30, -1e30], dtype)
    below, above = (np.nextafter(anchors, dtype(end)) for end in (-np.inf, np.inf))
    values = np.sort(np.concatenate((below, anchors, above)))
    ranks = ranking.rank_host(values[::-1])
    assert in_sample_order(ranks).tolist() == list(range(17, -18, -2))


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_integers_too_large_for_a_float_are_told_apart(dtype):
    values = np.array([2**53, 2**53 + 1, 2**53 + 2, 2**62, 2**62 + 1], dtype)
    assert in_sample_order(ranking.rank_host(values)).tolist() == [-4, -2, 0, 2, 4]


def test_midranks_sum_to_zero_and_change_sign_with_the_activations(rng):
    values = activations_of(rng, np.float32, "tied")
    midranks = in_sample_order(ranking.rank_host(values))
    negated = in_sample_order(ranking.rank_host(-values))
    assert midranks.sum() == 0
    np.testing.assert_array_equal(negated, -midranks)


def test_increasing_maps_of_the_activations_change_no_midrank(rng):
    values = rng.integers(-50, 50, NUM_SAMPLES).astype(np.float32)
    wanted = in_sample_order(ranking.rank_host(values))
    for mapped in (
        np.exp(values.astype(np.float64) / 3),
        values.astype(np.int8),
        (values * 1e-44).astype(np.float32),
        (values / 64).astype(np.float16),
    ):
        found = in_sample_order(ranking.rank_host(mapped))
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("values", [[7.0], [7.0, 7.0], [3.0, 1.0]], ids=str)
def test_one_and_two_samples_are_ranked(values):
    values = np.array(values, np.float32)
    host = ranking.rank_host(values)
    row_of_sample = np.arange(len(values), dtype=np.int32)
    _, _, sums, squares = rank_on_device(values, row_of_sample, num_rows=2)
    wanted = doubled_midranks(values)
    assert in_sample_order(host).tolist() == wanted.tolist()
    assert exact.to_int64(sums)[: len(values)].tolist() == wanted.tolist()
    parts = np.asarray(squares)[None]
    found = ranking.tie_sum_from_squares(parts, num_samples=len(values))
    assert found.tolist() == [tie_sum(values)]


def test_a_row_without_samples_sums_to_zero(rng):
    values = rng.normal(size=50).astype(np.float32)
    row_of_sample = np.full(50, 3, np.int32)
    sums = ranking.host_row_sums(ranking.rank_host(values), row_of_sample, num_rows=6)
    assert sums.tolist() == [0] * 6
    assert sums.dtype == np.int64


def test_permuting_the_samples_changes_no_row_sum(rng):
    values = activations_of(rng, np.float32, "tied")
    rows = rng.integers(0, 20, NUM_SAMPLES).astype(np.int32)
    shuffled = rng.permutation(NUM_SAMPLES)
    first, second = (
        ranking.host_row_sums(ranking.rank_host(v), r, num_rows=20)
        for v, r in ((values, rows), (values[shuffled], rows[shuffled]))
    )
    np.testing.assert_array_equal(first, second)


def test_row_sums_of_10_000_000_samples_are_exact_on_the_host():
    num_samples = 10_000_000
    values = np.arange(num_samples, dtype=np.float32)[::-1]
    row_of_sample = np.repeat(np.arange(2, dtype=np.int32), num_samples // 2)
    ranks = ranking.rank_host(values)
    sums = ranking.host_row_sums(ranks, row_of_sample, num_rows=2)
    assert sums.tolist() == [num_samples**2 // 4, -(num_samples**2) // 4]
    assert ranks.tie_sum == 0


def test_the_tie_sum_of_10_000_000_samples_is_exact_on_the_host():
    values = np.repeat(np.array([0, 1], np.uint8), [9_999_997, 3])
    wanted = 9_999_997**3 - 9_999_997 + 3**3 - 3
    assert ranking.rank_host(values).tie_sum == float(wanted)


@pytest.fixture(scope="module")
def most_samples():
    """Midranks of the most samples there may be, by increasing activation."""
    num_samples = exact.MAX_SAMPLES
    untied = np.arange(1 - num_samples, num_samples, 2, dtype=np.int32)
    halves = np.repeat(np.array([-1, 1], np.int32), num_samples // 2)
    return untied, halves * np.int32(num_samples // 2)


def test_row_sums_on_the_device_are_exact_for_the_most_samples(most_samples):
    untied, halves = most_samples
    num_samples = exact.MAX_SAMPLES
    rows = np.repeat(np.arange(4, dtype=np.int32), num_samples // 4)
    row_sums = jax.jit(ranking.device_row_sums, static_argnames="num_rows")
    for midranks in (untied, halves):
        wanted = midranks.reshape(4, -1).sum(1, dtype=np.int64)
        found = row_sums(midranks, rows, num_rows=4)
        assert exact.to_int64(found).tolist() == wanted.tolist()
    assert abs(wanted).sum() == num_samples**2 // 2


def test_the_tie_sum_of_the_device_is_exact_for_the_most_samples(most_samples):
    num_samples = exact.MAX_SAMPLES
    half = num_samples // 2
    squares = jax.jit(ranking.device_square_sums)
    parts = np.stack([squares(midranks) for midranks in most_samples])
    found = ranking.tie_sum_from_squares(parts, num_samples=num_samples)
    assert found.tolist() == [0, float(2 * (half**3 - half))]
