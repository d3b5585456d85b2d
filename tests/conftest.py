"""Settings and the one fixture that all tests share."""

import os

import jax
import numpy as np
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")


def pytest_sessionstart():
    """Keep what is compiled here for the next run, and for the processes of tests."""
    # Not above: the types of what is imported before jaxtyping is ready go unchecked.
    from invert_jax import compilation_cache

    if folder := compilation_cache.switch_on():
        os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder)
        for name, value in compilation_cache.SETTINGS.items():
            os.environ.setdefault(name.upper(), str(value))


def pytest_warning_recorded(warning_message):
    from invert_jax import compilation_cache

    compilation_cache.remove_damaged(str(warning_message.message))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
