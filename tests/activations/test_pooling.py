import jax.numpy as jnp
import numpy as np
import pytest

from invert_jax.activations.pooling import (
    checked_pool,
    fitted_where,
    max_pool,
    mean_pool,
    neuron_names,
    pool_values,
    token_pool,
)
from invert_jax.sample_ids import position_ids

VALUES = jnp.array([[[1.0, -4.0], [3.0, -2.0], [100.0, 100.0]]])
PADDED = jnp.array([[True, True, False]])


@pytest.mark.parametrize(
    ("pool", "unmasked", "masked"),
    [
        ("mean", [104 / 3, 94 / 3], [2.0, -3.0]),
        ("max", [100.0, 100.0], [3.0, -2.0]),
        ("last", [100.0, 100.0], [3.0, -2.0]),
        ("cls", [1.0, -4.0], [1.0, -4.0]),
        (1, [3.0, -2.0], [3.0, -2.0]),
        (-1, [100.0, 100.0], [3.0, -2.0]),
        (-2, [3.0, -2.0], [1.0, -4.0]),
    ],
)
def test_each_pool_by_hand(pool, unmasked, masked):
    np.testing.assert_allclose(pool_values(VALUES, None, pool)[0], unmasked, rtol=1e-6)
    np.testing.assert_allclose(pool_values(VALUES, PADDED, pool)[0], masked, rtol=1e-6)


def test_flatten_makes_a_neuron_of_each_channel_at_each_position():
    values = jnp.arange(12.0).reshape(1, 2, 3, 2)

    flat = pool_values(values, None, "flatten")[0]
    names = neuron_names((2, 3, 2), "flatten")

    assert names[:3] == ("0@0,0", "1@0,0", "0@0,1")
    assert flat[names.index("1@1,2")] == values[0, 1, 2, 1]


@pytest.mark.parametrize("pool", ["mean", "max", "cls", "last", "flatten", 1, -2])
def test_a_sample_that_is_all_padding_is_undefined(pool):
    assert np.isnan(pool_values(VALUES, jnp.zeros((1, 3), bool), pool)).all()


@pytest.mark.parametrize("pool", range(-4, 4))
def test_numbered_positions_are_those_that_are_no_padding(rng, pool):
    where = rng.random((50, 4)) < 0.6
    values = np.where(where, rng.normal(size=(50, 4)), 99).astype(np.float32)

    found = pool_values(jnp.array(values[..., None]), jnp.array(where), pool)

    for row, is_real, got in zip(values, where, found[:, 0].tolist(), strict=True):
        real = row[is_real].tolist()
        wanted = real[pool] if -len(real) <= pool < len(real) else np.nan
        np.testing.assert_equal(got, wanted)


def test_padding_is_undefined_where_every_position_is_a_neuron():
    flat = pool_values(VALUES, PADDED, "flatten")
    np.testing.assert_array_equal(flat, [[1, -4, 3, -2, np.nan, np.nan]])


def test_padding_may_hold_nan():
    values = VALUES.at[0, 2].set(jnp.nan)
    for pool in ("mean", "max", "last"):
        assert np.isfinite(pool_values(values, PADDED, pool)).all()


def test_padding_in_the_middle_does_not_hide_the_last_position():
    where = jnp.array([[False, True, False]])
    np.testing.assert_array_equal(token_pool(VALUES, -1, where), VALUES[:, 1])


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.int32, bool])
def test_means_are_computed_in_float32_at_least(dtype):
    values = jnp.arange(512).reshape(1, 256, 2).astype(dtype)
    mean = mean_pool(values)
    assert mean.dtype == jnp.float32
    exact = np.asarray(values).astype(np.float64).mean(1)
    np.testing.assert_allclose(mean, exact, rtol=1e-6)


def test_maxima_of_whole_numbers_are_exact():
    values = jnp.array([[[2**20 + 1], [2**20 + 3]]])
    assert max_pool(values, jnp.array([[True, False]])) == 2**20 + 1


@pytest.mark.parametrize("pool", ["mean", "max", "cls", "last", "flatten", 3])
def test_a_layer_without_positions_is_left_as_it_is(pool):
    np.testing.assert_array_equal(pool_values(VALUES[:, 0], None, pool), VALUES[:, 0])
    assert pool_values(VALUES[:, 0, 0], None, pool).shape == (1, 1)


def test_a_function_gets_the_values_and_the_mask():
    def spread(values, where=None):
        return jnp.ptp(values, axis=1) if where is None else where.sum(1)[:, None]

    np.testing.assert_array_equal(pool_values(VALUES, None, spread), [[99.0, 104.0]])
    np.testing.assert_array_equal(pool_values(VALUES, PADDED, spread), [[2]])


def test_a_function_must_return_a_matrix():
    with pytest.raises(ValueError, match=r"must return \[samples, neurons\]"):
        pool_values(VALUES, None, lambda values: values)


def test_heads_share_the_mask_of_their_tokens():
    where = fitted_where(jnp.array([[1, 0]]), (1, 2, 3, 4), "heads")
    np.testing.assert_array_equal(where, [[[True] * 3, [False] * 3]])


def test_a_layer_without_positions_needs_no_mask():
    assert fitted_where(jnp.array([[1, 0]]), (1, 8), "head") is None


@pytest.mark.parametrize(
    "shape",
    [(1, 2), (1, 2, 2, 5), (1, 2, 3, 2), (1, 2, 3, 2, 5)],
    ids=["neurons", "another position", "channels", "attention"],
)
def test_lengths_that_are_equal_by_chance_do_not_place_a_mask(shape):
    mask = jnp.array([[True, False]])
    with pytest.raises(ValueError, match="must fit one axis of the layer 'x' alone"):
        fitted_where(mask, shape, "x")
    by_name = fitted_where(mask, shape, "x", is_own=True)
    assert (None if by_name is None else by_name.shape) == (
        None if len(shape) == 2 else shape[:-1]
    )


def test_a_mask_of_all_positions_is_placed_by_their_order():
    mask = jnp.array([[[True, False], [False, True]]])
    np.testing.assert_array_equal(fitted_where(mask, (1, 2, 2, 2), "x"), mask)


def test_position_ids_name_sample_and_position():
    ids = position_ids(np.array([7, 8]), (1, 2))
    assert ids.tolist() == ["7@0,0", "7@0,1", "8@0,0", "8@0,1"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: checked_pool("median"), "must be one of mean, max.*'median'"),
        (lambda: checked_pool(1.5), "got 1.5"),
        (lambda: checked_pool(True), "got True"),
        (lambda: token_pool(VALUES, 3), "with that position"),
        (
            lambda: token_pool(VALUES[:, None], 0),
            "dict of pools by layer, or a function",
        ),
        (lambda: fitted_where(jnp.ones((1, 4), bool), (1, 3, 2), "x"), "layer 'x'"),
        (lambda: fitted_where(jnp.ones(1, bool), (1, 3, 2), "x"), "positions"),
    ],
)
def test_wrong_pools_and_masks_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong()


def test_a_mask_of_fractions_is_refused():
    with pytest.raises(TypeError, match="must be bool"):
        fitted_where(jnp.ones((1, 3)), (1, 3, 2), "x")
