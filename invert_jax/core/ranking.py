"""Centered doubled midranks and their sums over the distinct concept rows.

With r the midrank of a sample among N (ties share the mean of their ranks), the
centered doubled midrank is the integer c = 2 r - (N + 1). It lies in (-N, N), sums to
zero, and changes sign with the activations. The sum of c over a set of samples is the
Mann-Whitney statistic of that set, shifted and doubled [1].

There are two versions, equal to the bit: `rank_host` for NumPy (XLA's sort on CPU is
many times slower) and `rank_device` in pure `jax.numpy` for accelerators. Both sort
integer keys that have the order of the activations, so that -0.0 equals 0.0 and no
number is flushed to zero. Activations must not be NaN.

[1] Mann and Whitney, "On a test of whether one of two random variables is
stochastically larger than the other", Annals of Mathematical Statistics 18, 1947.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Bool, Float, Int, Num, Shaped, UInt

from invert_jax.core import exact

# A digit of NumPy's radix sort; two passes sort float32 faster than its quicksort.
DIGIT_BITS = 16
# Samples whose squared limbs are added in int32 before they are split again.
SQUARE_CHUNK = 32
SQUARE_BITS = 12


class HostRanks(NamedTuple):
    """Ranks of one neuron on the host.

    Attributes:
        order: The samples by increasing activation.
        midranks: Centered doubled midranks in that order.
        tie_sum: Sum of t**3 - t over the groups of t tied samples.
    """

    order: Int[np.ndarray, " samples"]
    midranks: Int[np.ndarray, " samples"]
    tie_sum: float


def sort_keys(activations: Shaped[np.ndarray, "..."]) -> np.ndarray:
    """Unsigned integers in the order of the activations, of the same width.

    Args:
        activations: float16, bfloat16, float32, float64, any integer dtype or bool.

    >>> keys = sort_keys(np.array([-1.5, -0.0, 0.0, 1e-45, 2.0], np.float32))
    >>> np.diff(keys.astype(np.int64)).clip(0, 1).tolist()
    [1, 0, 1, 1]
    """
    unsigned = np.dtype(f"u{activations.dtype.itemsize}")
    bits = np.ascontiguousarray(activations).view(unsigned)
    if activations.dtype.kind in "ub":
        return bits
    sign = unsigned.type(1 << (8 * unsigned.itemsize - 1))
    if activations.dtype.kind == "i":
        return bits ^ sign
    # Negative numbers count down from the sign bit, which -0.0 shares with 0.0.
    # In place and without a branch, for NumPy's SIMD loops: (magnitude ^ -1) + 1 is
    # its negative.
    width = 8 * unsigned.itemsize
    is_negative = (bits.view(f"i{unsigned.itemsize}") >> (width - 1)).view(unsigned)
    keys = bits & ~sign
    keys ^= is_negative
    keys -= is_negative
    keys ^= sign
    return keys


def rank_host(activations: Shaped[np.ndarray, " samples"]) -> HostRanks:
    """Ranks of one neuron by a stable radix sort; releases the interpreter lock.

    >>> ranks = rank_host(np.array([3.0, 1.0, 1.0, 7.0], np.float32))
    >>> ranks.order.tolist(), ranks.midranks.tolist(), ranks.tie_sum
    ([1, 2, 0, 3], [-2, -2, 1, 3], 6.0)
    """
    keys = sort_keys(activations)
    order = _radix_argsort(keys)
    ordered = keys.take(order)
    num_samples = len(order)
    differs = ordered[1:] != ordered[:-1]
    if differs.all():
        midranks = np.arange(1 - num_samples, num_samples, 2, dtype=np.int32)
        return HostRanks(order, midranks, 0.0)
    starts = np.flatnonzero(np.concatenate(([True], differs)))
    ends = np.append(starts[1:], num_samples)
    sizes = ends - starts
    midranks = np.repeat((starts + ends - num_samples).astype(np.int32), sizes)
    return HostRanks(order, midranks, tie_sum(sizes))


def host_mask_sum(ranks: HostRanks, mask: Bool[np.ndarray, " samples"]) -> int:
    """Sum of the centered doubled midranks of the samples in a mask.

    >>> ranks = rank_host(np.array([0.5, 0.1, 0.9]))
    >>> host_mask_sum(ranks, np.array([True, False, True]))
    2
    """
    return int(ranks.midranks[mask[ranks.order]].sum(dtype=np.int64))


def host_row_sums(
    ranks: HostRanks, row_of_sample: Int[np.ndarray, " samples"], *, num_rows: int
) -> Int[np.ndarray, " rows"]:
    """Sum of the centered doubled midranks over the samples of each row; int64.

    float64 adds them exactly: no partial sum reaches 2**53.
    """
    sums = np.bincount(row_of_sample.take(ranks.order), ranks.midranks, num_rows)
    return sums.astype(np.int64)


def rank_device(
    activations: Num[Array, " samples"] | Bool[Array, " samples"],
    row_of_sample: Int[Array, " samples"],
) -> tuple[Int[Array, " samples"], Int[Array, " samples"]]:
    """Centered doubled midranks by increasing activation, and the row of each.

    Args:
        activations: Of at most 32 bits.
        row_of_sample: int32.
    """
    keys, rows = lax.sort((_device_keys(activations), row_of_sample), num_keys=1)
    num_samples = len(keys)
    position = jnp.arange(num_samples, dtype=jnp.int32)
    differs = keys[1:] != keys[:-1]
    edge = jnp.ones((1,), bool)
    starts_here = jnp.concatenate((edge, differs))
    ends_here = jnp.concatenate((differs, edge))
    start = lax.cummax(jnp.where(starts_here, position, 0))
    end = lax.cummin(jnp.where(ends_here, position + 1, num_samples), reverse=True)
    return start + end - num_samples, rows


def device_row_sums(
    midranks: Int[Array, " samples"], rows: Int[Array, " samples"], *, num_rows: int
) -> exact.Wide:
    """Sum of the centered doubled midranks over the samples of each row, exactly.

    Adds digits of 11 bits, at most 2**20 samples at a time, so that no sum of digits
    leaves int32.
    """
    limbs = jnp.stack(
        (
            midranks & exact.LIMB_MASK,
            (midranks >> exact.LIMB_BITS) & exact.LIMB_MASK,
            midranks >> exact.LOW_BITS,
        )
    )
    total = exact.Wide(*(jnp.zeros(num_rows, jnp.int32) for _ in range(2)))
    for start in range(0, len(midranks), 1 << 20):
        part = slice(start, start + (1 << 20))
        sums = jax.ops.segment_sum(limbs[:, part].T, rows[part], num_rows).T
        total = exact.normalize(exact.plus(total, exact.from_limbs(sums)))
    return total


def device_tie_sizes(midranks: Int[Array, " samples"]) -> Int[Array, "2"]:
    """How many samples are tied at the lowest value, and at most at any other.

    With a samples below a group of ties that ends after b, c + N - 2 a = b - a.
    """
    num_samples = len(midranks)
    position = jnp.arange(num_samples, dtype=jnp.int32)
    sizes = midranks + num_samples - 2 * position
    above = jnp.where(position >= sizes[0], sizes, 0)
    return jnp.stack((sizes[0], above.max()))


def device_square_sums(midranks: Int[Array, " samples"]) -> Int[Array, "3 2 parts"]:
    """The sum of the squared midranks, in parts that int32 holds.

    `tie_sum_from_squares` puts them together on the host.
    """
    high, low = midranks >> SQUARE_BITS, midranks & ((1 << SQUARE_BITS) - 1)
    squares = jnp.stack((high * high, high * low, low * low))
    sums = _sum_chunks(squares, SQUARE_CHUNK)
    halves = jnp.stack((sums >> 15, sums & 0x7FFF), axis=1)
    return _sum_chunks(halves, 1 << 14)


def tie_sum_from_squares(
    parts: Int[np.ndarray, "neurons 3 2 parts"], *, num_samples: int
) -> Float[np.ndarray, " neurons"]:
    """Sum of t**3 - t over the groups of t tied samples, from the squared midranks.

    Without ties the squares of c sum to (N**3 - N) / 3; a group of t tied samples takes
    (t**3 - t) / 3 from that.
    """
    totals = parts.astype(np.int64).sum(-1).astype(object)
    squares, products, rest = np.moveaxis((totals[..., 0] << 15) + totals[..., 1], 1, 0)
    sums = (squares << (2 * SQUARE_BITS)) + (products << (SQUARE_BITS + 1)) + rest
    return (num_samples**3 - num_samples - 3 * sums).astype(np.float64)


def _radix_argsort(keys: UInt[np.ndarray, " samples"]) -> Int[np.ndarray, " samples"]:
    """Order of unsigned keys: NumPy's stable sort of 16 bits is a radix sort."""
    width = 8 * keys.dtype.itemsize
    if width <= DIGIT_BITS:
        return np.argsort(keys, kind="stable")
    order = np.argsort(keys.astype(np.uint16), kind="stable")
    for shift in range(DIGIT_BITS, width, DIGIT_BITS):
        digits = (keys >> keys.dtype.type(shift)).astype(np.uint16)
        if digits.min() < digits.max():
            order = order.take(np.argsort(digits.take(order), kind="stable"))
    return order


def tie_sum(sizes: Int[np.ndarray, " groups"]) -> float:
    """Sum of t**3 - t, exact before it is rounded once."""
    if sizes.max() < 1 << 17 and len(sizes) < 1 << 12:
        return float((sizes**3 - sizes).sum())
    distinct, counts = np.unique(sizes, return_counts=True)
    pairs = zip(distinct.tolist(), counts.tolist(), strict=True)
    return float(sum(count * (size**3 - size) for size, count in pairs))


def _device_keys(
    activations: Num[Array, " samples"] | Bool[Array, " samples"],
) -> Int[Array, " samples"]:
    """int32 keys in the order of the activations."""
    dtype = activations.dtype
    if dtype == jnp.uint32:
        return lax.bitcast_convert_type(activations, jnp.int32) ^ jnp.int32(-(2**31))
    if not jnp.issubdtype(dtype, jnp.floating):
        return activations.astype(jnp.int32)
    signed = jnp.dtype(f"int{8 * dtype.itemsize}")
    bits = lax.bitcast_convert_type(activations, signed)
    largest = jnp.array(jnp.iinfo(signed).max, signed)
    keys = jnp.where(bits < 0, bits ^ largest, bits).astype(jnp.int32)
    # -0.0 is the only number whose key is -1.
    return jnp.where(keys == -1, 0, keys)


def _sum_chunks(values: Int[Array, "*axes length"], size: int) -> Array:
    """Sums over runs of `size` elements of the last axis."""
    length = values.shape[-1]
    padding = [(0, 0)] * (values.ndim - 1) + [(0, -length % size)]
    padded = jnp.pad(values, padding)
    return padded.reshape(*values.shape[:-1], -1, size).sum(-1, dtype=jnp.int32)
