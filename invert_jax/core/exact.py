"""Exact integers wider than 32 bits, for devices that have none.

A `Wide` is the integer high * 2**22 + low. Sums of centered doubled midranks of fewer
than 2**24 samples lie below 2**46, so both parts stay far from the bounds of int32, and
sums of three of them need no carry. A *limb* is a digit of 11 bits: small enough that a
float32 matrix product of thousands of them with a mask of zeros and ones is exact. All
functions work element by element on arrays of any shape.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Bool, Float, Int

LIMB_BITS = 11
LIMB_MASK = (1 << LIMB_BITS) - 1
LOW_BITS = 2 * LIMB_BITS
LOW_MASK = (1 << LOW_BITS) - 1
# The sign bit of a quotient's words stays clear, so that they compare as int32.
WORD_BITS = 31
# Of products that are compared: four products of digits stay within int32.
DIGIT_BITS, NUM_DIGITS = 12, 4
DIGIT_MASK = (1 << DIGIT_BITS) - 1
# A TPU makes a float32 product of bfloat16 parts whose sums exceed the whole by up to
# one part in 256; below this many samples they too stay within the 24 exact bits.
MAX_SAMPLES = 16_000_000


class Wide(NamedTuple):
    """The integers high * 2**22 + low.

    Attributes:
        high: The upper part; carries the sign.
        low: The lower part; in [0, 2**22) where normalized.
    """

    high: Int[Array | np.ndarray, "..."]
    low: Int[Array | np.ndarray, "..."]


def plus(a: Wide, b: Wide) -> Wide:
    """The sum a + b, not normalized."""
    return Wide(a.high + b.high, a.low + b.low)


def minus(a: Wide, b: Wide) -> Wide:
    """The difference a - b, not normalized."""
    return Wide(a.high - b.high, a.low - b.low)


def normalize(a: Wide) -> Wide:
    """The same integers with the lower part in [0, 2**22).

    >>> normalize(Wide(jnp.int32(1), jnp.int32(-1)))
    Wide(high=Array(0, dtype=int32), low=Array(4194303, dtype=int32))
    """
    return Wide(a.high + (a.low >> LOW_BITS), a.low & LOW_MASK)


def absolute(a: Wide) -> Wide:
    """|a|, normalized."""
    a = normalize(a)
    negative = a.high < 0
    return normalize(
        Wide(jnp.where(negative, -a.high, a.high), jnp.where(negative, -a.low, a.low))
    )


def equal(a: Wide, b: Wide) -> Bool[Array, "..."]:
    """Whether a = b; neither need be normalized."""
    difference = normalize(minus(a, b))
    return (difference.high == 0) & (difference.low == 0)


def to_float32(a: Wide) -> Float[Array, "..."]:
    """The nearest float32, for |a| < 2**46 and a lower part below 2**24 in size.

    Both parts are exact in float32 and so is the product with a power of two: the sum
    is the only rounding, fused or not.
    """
    high = a.high.astype(jnp.float32) * jnp.float32(1 << LOW_BITS)
    return high + a.low.astype(jnp.float32)


def product(
    a: Int[Array | np.ndarray, "..."], b: Int[Array | np.ndarray, "..."]
) -> Wide:
    """The product of integers in [0, 2**24), normalized.

    >>> wide = product(jnp.array([10_000_000]), jnp.array([9_999_999]))
    >>> to_int64(wide)
    array([99999990000000])
    """
    a_high, a_low = a >> LIMB_BITS, a & LIMB_MASK
    b_high, b_low = b >> LIMB_BITS, b & LIMB_MASK
    middle = a_high * b_low + a_low * b_high
    return normalize(
        Wide(
            a_high * b_high + (middle >> LIMB_BITS),
            a_low * b_low + ((middle & LIMB_MASK) << LIMB_BITS),
        )
    )


class Fraction(NamedTuple):
    """The quotients of two integers, in [0, 2].

    Attributes:
        numerator: Normalized.
        denominator: Normalized, positive, below 2**46.
    """

    numerator: Wide
    denominator: Wide


def compare(a: Fraction, b: Fraction) -> Int[Array, "..."]:
    """The sign of a - b, exact: that of the difference of the products across.

    Their digits of 12 bits make sums of four products, which int32 holds.

    >>> one, two, three = (Wide(jnp.int32(0), jnp.int32(n)) for n in (1, 2, 3))
    >>> half, third = Fraction(one, two), Fraction(one, three)
    >>> int(compare(half, third)), int(compare(third, half)), int(compare(half, half))
    (1, -1, 0)
    """
    a_over, a_under = _digits(a.numerator), _digits(a.denominator)
    b_over, b_under = _digits(b.numerator), _digits(b.denominator)
    places = range(NUM_DIGITS)
    carry, rest = jnp.int32(0), jnp.int32(0)
    for place in range(2 * NUM_DIGITS - 1):
        for i in places:
            if place - i in places:
                carry += a_over[i] * b_under[place - i] - b_over[i] * a_under[place - i]
        rest |= carry & DIGIT_MASK
        carry >>= DIGIT_BITS
    return jnp.where(carry < 0, -1, jnp.sign(carry | rest))


def _digits(a: Wide) -> tuple[Int[Array | np.ndarray, "..."], ...]:
    """Digits of 12 bits of integers below 2**47, least significant first."""
    upper = LOW_BITS - DIGIT_BITS
    return (
        a.low & DIGIT_MASK,
        (a.low >> DIGIT_BITS) | ((a.high & 3) << upper),
        (a.high >> 2) & DIGIT_MASK,
        a.high >> (2 + DIGIT_BITS),
    )


def num_quotient_words(num_samples: int) -> int:
    """Words after which quotients of different rank sums are sure to differ.

    Two fractions a/b and c/d that differ do so by at least 1/(b d), and b, d are at
    most N**2 / 4. The first bit of the first word is the integer part.

    >>> num_quotient_words(50_000), num_quotient_words(10_000_000)
    (2, 3)
    """
    largest_denominator = max(1, num_samples**2 // 4)
    needed_bits = 1 + (largest_denominator**2).bit_length()
    return -(-needed_bits // WORD_BITS)


def quotient(fraction: Fraction, *, num_words: int) -> Int[Array, "words ..."]:
    """The binary digits of numerator / denominator, for a quotient in [0, 2].

    Long division, one bit at a time. Compared word by word, the quotients are in the
    order of the fractions, and equal only for equal fractions, if there are
    `num_quotient_words` of them.

    Args:
        fraction: What to divide.
        num_words: How many words of 31 bits to compute.

    Returns:
        In [0, 2**31), the most significant word first.
    """
    numerator, denominator = fraction

    def next_bit(_, state):
        remainder, word = state
        difference = normalize(minus(remainder, denominator))
        fits = difference.high >= 0
        kept = jax.tree.map(partial(jnp.where, fits), difference, remainder)
        doubled = normalize(Wide(kept.high * 2, kept.low * 2))
        return doubled, word * 2 + fits.astype(jnp.int32)

    def next_word(remainder, _):
        start = (remainder, jnp.zeros_like(numerator.high))
        bounds = jnp.int32(0), jnp.int32(WORD_BITS)
        return lax.fori_loop(*bounds, next_bit, start)

    return lax.scan(next_word, numerator, length=num_words)[1]


def to_limbs(values: Int[np.ndarray, "..."], *, num_limbs: int) -> np.ndarray:
    """Digits of 11 bits, least significant first; the last one keeps the rest.

    Args:
        values: int64, on the host.
        num_limbs: How many digits; the leading axis of what is returned.

    Returns:
        float32 [num_limbs, ...]; all but the last in [0, 2**11).

    >>> to_limbs(np.array([-1, 5000]), num_limbs=2).tolist()
    [[2047.0, 904.0], [-1.0, 2.0]]
    """
    limbs = np.empty((num_limbs, *values.shape), np.float32)
    for limb in limbs[:-1]:
        limb[...] = values & LIMB_MASK
        values = values >> LIMB_BITS
    limbs[-1] = values
    return limbs


def from_limbs(
    limbs: Int[Array, "limbs ..."] | Sequence[Int[Array, "..."]],
) -> Wide:
    """Sums of limbs put together, normalized; up to four limbs.

    Args:
        limbs: int32, least significant first, each the exact sum of one limb.
    """
    carried = [limbs[0]]
    for limb in limbs[1:]:
        previous = carried[-1]
        carried[-1] = previous & LIMB_MASK
        carried.append(limb + (previous >> LIMB_BITS))
    if len(carried) == 1:
        return normalize(Wide(jnp.zeros_like(limbs[0]), limbs[0]))
    if len(carried) == 2:
        low, high = carried
        return Wide(high >> LIMB_BITS, low + ((high & LIMB_MASK) << LIMB_BITS))
    high = carried[2] if len(carried) == 3 else carried[2] + (carried[3] << LIMB_BITS)
    return Wide(high, carried[0] + (carried[1] << LIMB_BITS))


def split(a: Wide, *, num_limbs: int) -> Float[Array, "limbs ..."]:
    """The limbs of normalized integers, as `to_limbs` makes them on the host."""
    low, rest = a.low & LIMB_MASK, a.low >> LIMB_BITS
    if num_limbs == 1:
        limbs = [(a.high << LOW_BITS) + a.low]
    elif num_limbs == 2:
        limbs = [low, (a.high << LIMB_BITS) + rest]
    elif num_limbs == 3:
        limbs = [low, rest, a.high]
    else:
        limbs = [low, rest, a.high & LIMB_MASK, a.high >> LIMB_BITS]
    return jnp.stack(limbs).astype(jnp.float32)


def to_int64(a: Wide) -> np.ndarray:
    """The integers themselves, on the host, where 64 bits are at hand."""
    high, low = (np.asarray(part, np.int64) for part in a)
    return np.asarray((high << LOW_BITS) + low)
