"""Integers of 46 bits, against Python's own."""

import itertools
from fractions import Fraction
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from invert_jax.core import exact
from invert_jax.core.exact import MAX_SAMPLES, Wide
from tests.core.search_problems import wide

SAMPLES = pytest.mark.parametrize("num_samples", [2, 10, 50_000, MAX_SAMPLES])
LARGEST = MAX_SAMPLES**2 // 4


def integers(a):
    return [int(v) for v in exact.to_int64(a)]


def random_integers(rng, largest, count=300):
    """Of all sizes up to the largest, of both signs, the ends among them."""
    sizes = np.exp(rng.uniform(0, np.log(largest + 1), count)).astype(np.int64)
    values = np.minimum(sizes, largest) * rng.choice([-1, 1], count)
    return [0, 1, -1, largest, -largest, *(int(v) for v in values)]


def is_normalized(a):
    return bool(((a.low >= 0) & (a.low < 1 << exact.LOW_BITS)).all())


def test_a_wide_is_read_back_by_hand():
    assert integers(Wide(jnp.array([3, -1, 0]), jnp.array([5, 0, -7]))) == [
        3 * 4194304 + 5,
        -4194304,
        -7,
    ]


def test_normalizing_keeps_the_integer_and_brings_the_low_part_into_range(rng):
    low = jnp.asarray(rng.integers(-(2**31), 2**31, 1000), jnp.int32)
    high = jnp.asarray(rng.integers(-(2**24), 2**24, 1000), jnp.int32)
    normalized = exact.normalize(Wide(high, low))
    assert is_normalized(normalized)
    assert integers(normalized) == integers(Wide(high, low))


def test_sums_and_differences_are_those_of_python(rng):
    a, b = (random_integers(rng, LARGEST) for _ in range(2))
    pairs = list(zip(a, b, strict=True))
    assert integers(exact.plus(wide(a), wide(b))) == [x + y for x, y in pairs]
    assert integers(exact.minus(wide(a), wide(b))) == [x - y for x, y in pairs]


def test_the_absolute_value_is_that_of_python(rng):
    values = random_integers(rng, LARGEST)
    absolute = exact.absolute(wide(values))
    assert is_normalized(absolute)
    assert integers(absolute) == [abs(v) for v in values]


def test_equal_integers_are_equal_however_they_are_split(rng):
    values = random_integers(rng, LARGEST)
    a = wide(values)
    shift = jnp.asarray(rng.integers(-100, 100, len(values)), jnp.int32)
    other = Wide(a.high + shift, a.low - (shift << exact.LOW_BITS))
    assert bool(exact.equal(a, other).all())
    neighbors = wide([v + int(rng.choice([-1, 1, 1 << 22])) for v in values])
    assert not bool(exact.equal(a, neighbors).any())


def test_float32_is_rounded_once_and_to_nearest(rng):
    values = random_integers(rng, LARGEST, 5000)
    # Halfway between two floats, where rounding twice would show.
    halfway = [
        (1 << 45) + (2 * k + 1) * (1 << 21) + d for k in range(99) for d in (-1, 0, 1)
    ]
    values += halfway + [-v for v in halfway]
    found = jax.jit(exact.to_float32)(wide(values))
    nearest = np.array([np.float32(v) for v in np.array(values, np.int64)])
    np.testing.assert_array_equal(found, nearest)
    for value, rounded in zip(values[-600:], nearest[-600:].tolist(), strict=True):
        neighbors = np.nextafter(
            np.float32(rounded), np.array([-np.inf, np.inf], np.float32)
        )
        error = abs(Fraction(rounded) - value)
        assert all(error <= abs(Fraction(float(n)) - value) for n in neighbors)


@SAMPLES
def test_products_of_counts_are_those_of_python(rng, num_samples):
    a = [0, 1, num_samples, *(int(x) for x in rng.integers(0, num_samples + 1, 300))]
    b = [num_samples - x for x in a]
    c = [int(x) for x in rng.permutation(a)]
    for other in (b, c):
        product = exact.product(jnp.array(a, jnp.int32), jnp.array(other, jnp.int32))
        assert is_normalized(product)
        assert integers(product) == [x * y for x, y in zip(a, other, strict=True)]


@pytest.mark.parametrize("num_limbs", [1, 2, 3, 4])
def test_limbs_put_together_give_the_integer_back(rng, num_limbs):
    largest = min(LARGEST, 2 ** (11 * num_limbs + 12))
    values = np.array(random_integers(rng, largest))
    limbs = exact.to_limbs(values, num_limbs=num_limbs)
    assert limbs.dtype == np.float32
    assert ((limbs[:-1] >= 0) & (limbs[:-1] < 2048)).all()
    again = exact.from_limbs(jnp.asarray(limbs).astype(jnp.int32))
    assert is_normalized(again) or num_limbs == 2
    assert integers(again) == values.tolist()


@pytest.mark.parametrize("num_limbs", [1, 2, 3, 4])
def test_the_device_splits_integers_into_the_limbs_of_the_host(rng, num_limbs):
    largest = min(LARGEST, 2 ** (11 * num_limbs + 12))
    values = np.array(random_integers(rng, largest))
    found = exact.split(wide(values), num_limbs=num_limbs)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, exact.to_limbs(values, num_limbs=num_limbs))


@pytest.mark.parametrize("num_limbs", [1, 2, 3, 4])
def test_sums_of_limbs_carry_into_the_next(rng, num_limbs):
    """Each digit may have grown to 2**23 before the digits are put together."""
    top = min(1 << 23, LARGEST >> (11 * (num_limbs - 1)))
    limbs = rng.integers(0, 1 << 23, (num_limbs, 500))
    limbs[-1] = rng.integers(-top, top, 500)
    limbs[:, 0], limbs[-1, 0] = 1 << 23, top
    value = sum(limbs[i].astype(object) << (11 * i) for i in range(num_limbs))
    found = exact.from_limbs(jnp.asarray(limbs, jnp.int32))
    assert integers(found) == [int(v) for v in value]


def random_fractions(rng, num_samples):
    """Misses over pairs, as `auroc_loss` makes them; many equal in value."""
    positives = [int(x) for x in rng.integers(1, num_samples, 150)]
    pairs = [n * (num_samples - n) for n in positives]
    misses = [int(rng.integers(0, 2 * p + 1)) for p in pairs]
    misses[:3] = 0, pairs[1], 2 * pairs[2]
    pairs += pairs
    misses += [max(0, m - 1) for m in misses]
    halved = [(m // 2, p // 2) for m, p in zip(misses, pairs, strict=True)]
    same = [(m, p) for m, p in halved if 0 < p and m <= 2 * p]
    return [*zip(misses, pairs, strict=True), *same, *((2 * m, 2 * p) for m, p in same)]


def fractions_of(pairs):
    """As the search has them."""
    return exact.Fraction(*(wide(part) for part in zip(*pairs, strict=True)))


def keys_of(words):
    """One tuple of words for each quotient."""
    return list(zip(*(np.asarray(word).tolist() for word in words), strict=True))


@SAMPLES
def test_quotients_compare_as_the_fractions_do(rng, num_samples):
    fractions = random_fractions(rng, num_samples)
    num_words = exact.num_quotient_words(num_samples)
    words = exact.quotient(fractions_of(fractions), num_words=num_words)
    assert all(int(word.min()) >= 0 for word in words)
    pairs = sorted(
        zip(keys_of(words), (Fraction(*f) for f in fractions), strict=True),
        key=lambda p: p[0],
    )
    for (key, value), (next_key, next_value) in itertools.pairwise(pairs):
        assert value <= next_value
        assert (key == next_key) == (value == next_value)


@SAMPLES
def test_fractions_compare_as_python_compares_them(rng, num_samples):
    """Each with each."""
    pairs = random_fractions(rng, num_samples)[-150:]
    pairs += [(a // 4 * 2, b // 4 * 2) for a, b in pairs if b >= 4]
    pairs += [(a // 2, b // 2) for a, b in pairs[150:]]
    column, row = (
        jax.tree.map(partial(jnp.expand_dims, axis=axis), fractions_of(pairs))
        for axis in (1, 0)
    )
    found = np.asarray(exact.compare(column, row))
    values = [Fraction(*pair) for pair in pairs]
    wanted = [[(a > b) - (a < b) for b in values] for a in values]
    np.testing.assert_array_equal(found, wanted)
    assert (found == 0).sum() > len(pairs)


def test_the_words_of_a_quotient_are_its_binary_digits():
    fractions = fractions_of([(0, 1), (1, 2), (3, 2), (2, 1)])
    (word,) = exact.quotient(fractions, num_words=1)
    # 2 itself is the largest number of 31 digits: 1.111...
    assert word.tolist() == [0, 1 << 29, 3 << 29, (1 << 31) - 1]


def test_the_closest_fractions_of_all_differ():
    """Neighbors of Farey's sequence are as close as fractions can be."""
    b, d = LARGEST, LARGEST - 1
    a = pow(d, -1, b)
    c = (a * d - 1) // b
    assert a * d - b * c == 1
    larger, smaller = fractions_of([(a, b)]), fractions_of([(c, d)])
    assert exact.compare(larger, smaller).tolist() == [1]
    assert exact.compare(smaller, larger).tolist() == [-1]
    assert exact.compare(larger, larger).tolist() == [0]
    words = exact.quotient(
        fractions_of([(a, b), (c, d)]),
        num_words=exact.num_quotient_words(MAX_SAMPLES),
    )
    first, second = keys_of(words)
    assert first > second


@SAMPLES
def test_enough_words_are_computed_and_not_one_more(num_samples):
    finest = max(1, num_samples**2 // 4) ** 2
    num_words = exact.num_quotient_words(num_samples)
    assert 2 ** (exact.WORD_BITS * num_words - 1) >= finest
    assert 2 ** (exact.WORD_BITS * (num_words - 1) - 1) <= finest
