"""Random numbers: keys as seeds, and the generator of each draw."""

import jax
import jax.numpy as jnp
import numpy as np


def seed_of(key: jax.Array | int) -> tuple[int, ...]:
    """The words of a key from `jax.random.key`; a whole number makes that key.

    >>> seed_of(7) == seed_of(jax.random.key(7)) == seed_of(jax.random.PRNGKey(7))
    True
    """
    if isinstance(key, int) and not isinstance(key, bool):
        key = jax.random.key(key)
    if isinstance(key, jax.Array | np.ndarray):
        if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) and key.ndim == 0:
            key = jax.random.key_data(key)
        if key.dtype == np.uint32 and key.ndim == 1:
            return tuple(np.asarray(key).tolist())
    raise TypeError(
        "`key` must be one key, from jax.random.key(0), or a whole number; got "
        f"{key!r}."
    )


def draw_generator(seed: tuple[int, ...], draw: int) -> np.random.Generator:
    """The random numbers of one draw: the same wherever and with whatever it is drawn.

    >>> seeds = [draw_generator((1, 2), draw).integers(100) for draw in (0, 1, 0)]
    >>> bool(seeds[0] == seeds[2] != seeds[1])
    True
    """
    return np.random.Generator(
        np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(draw,)))
    )
