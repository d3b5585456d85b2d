"""Random numbers: keys as seeds, and the generator of each draw."""

import jax
import jax.numpy as jnp
import numpy as np

Key = jax.Array | np.ndarray | int | np.integer


def seed_of(key: Key) -> tuple[int, ...]:
    """The words of a key from `jax.random.key`; a whole number makes a key of its own.

    A whole number, of Python or NumPy and of at most 64 bits, means the same under
    all settings of JAX: up to 2**32 what `jax.random.key` makes of it by default.

    >>> seed_of(7) == seed_of(jax.random.key(7)) == seed_of(jax.random.PRNGKey(7))
    True
    """
    if isinstance(key, int | np.integer) and not isinstance(key, bool):
        return _words(int(key))
    if isinstance(key, jax.Array | np.ndarray):
        if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) and key.ndim == 0:
            key = jax.random.key_data(key)
        if key.dtype == np.uint32 and key.ndim == 1 and len(key) > 1:
            return tuple(np.asarray(key).tolist())
        if key.ndim == 0 and jnp.issubdtype(key.dtype, jnp.integer):
            return _words(int(key))
    raise TypeError(
        "`key` must be one key, from jax.random.key(0), or a whole number; got "
        f"{key!r}."
    )


def _words(number: int) -> tuple[int, ...]:
    """Its 64 bits as two words, as JAX has them; two more mark what is negative."""
    if not -(2**63) <= number < 2**64:
        raise ValueError(f"`key` must be from -2**63 to 2**64 - 1; got {number}.")
    high, low = divmod(number % 2**64, 2**32)
    return (high, low) if number >= 0 else (high, low, 0, 1)


def draw_generator(seed: tuple[int, ...], draw: int) -> np.random.Generator:
    """The random numbers of one draw: the same wherever and with whatever it is drawn.

    >>> seeds = [draw_generator((1, 2), draw).integers(100) for draw in (0, 1, 0)]
    >>> bool(seeds[0] == seeds[2] != seeds[1])
    True
    """
    return np.random.Generator(
        np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(draw,)))
    )
