"""Random keys as the seed of NumPy's generators."""

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
