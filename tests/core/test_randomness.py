import os
import subprocess
import sys

import jax
import numpy as np
import pytest

from invert_jax.core.randomness import draw_generator, seed_of
from tests.small_runs import as_in_production

NUMBERS = [0, 1, 7, 2**32 - 1, 2**32, 2**32 + 7, 2**63, 2**64 - 1, -1, -7, -(2**63)]

SHOW_SEEDS = f"""
import sys, jax
for setting in sys.argv[1:]:
    name, value = setting.split("=")
    jax.config.update(name, {{"True": True}}.get(value, value))
from invert_jax.core.randomness import seed_of
print([seed_of(number) for number in {NUMBERS}])
"""


def test_whole_numbers_mean_other_draws_each():
    seeds = [seed_of(number) for number in NUMBERS]
    draws = {draw_generator(seed, 0).integers(2**60).item() for seed in seeds}
    assert len(set(seeds)) == len(draws) == len(NUMBERS)


@pytest.mark.parametrize("number", [0, 7, 2**31, 2**32 - 1])
def test_a_number_is_the_key_that_jax_makes_of_it(number):
    assert seed_of(number) == seed_of(jax.random.key(number))


@pytest.mark.parametrize(
    "settings",
    [["jax_enable_x64=True"], ["jax_default_prng_impl=rbg"],
     ["jax_enable_x64=True", "jax_default_prng_impl=unsafe_rbg"]],
    ids=" ".join,
)  # fmt: skip
def test_a_number_means_the_same_under_all_settings_of_jax(settings):
    shown = subprocess.run(
        [sys.executable, "-c", SHOW_SEEDS, *settings],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
    ).stdout
    assert shown.strip() == str([seed_of(number) for number in NUMBERS])


@pytest.mark.parametrize(
    "key", [np.int64(7), np.uint8(7), np.array(7), np.uint64(7), np.int32(7)]
)
def test_integers_of_numpy_are_keys(key):
    with as_in_production():
        assert seed_of(key) == seed_of(7)


@pytest.mark.parametrize("key", [2**64, -(2**63) - 1])
def test_numbers_of_more_than_64_bits_are_refused(key):
    with pytest.raises(ValueError, match=r"`key` must be from -2\*\*63 to 2\*\*64"):
        seed_of(key)


@pytest.mark.parametrize("key", [True, 1.0, "7", None, [7], np.array([7, 8])])
def test_what_is_no_key_is_refused(key):
    with (
        as_in_production(),
        pytest.raises(TypeError, match="`key` must be one key, from"),
    ):
        seed_of(key)
