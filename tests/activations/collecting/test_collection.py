import os
import socket
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from invert_jax.activations.batches import batched
from invert_jax.activations.collecting.collection import collect
from invert_jax.activations.store.opening import open_store
from invert_jax.datasets.batch import Batch
from invert_jax.sample_ids import position_ids


@pytest.fixture
def images(rng):
    return rng.normal(size=(7, 4, 4, 3)).astype(np.float32)


def convolve(images):
    kernel = jnp.linspace(-1, 1, 3 * 3 * 3 * 5).reshape(3, 3, 3, 5)
    dimensions = ("NHWC", "HWIO", "NHWC")
    hidden = jax.lax.conv_general_dilated(
        images, kernel, (1, 1), "SAME", dimension_numbers=dimensions
    )
    return {"hidden": hidden, "logits": jnp.tanh(hidden.mean((1, 2)))}


def test_pools_are_given_by_layer(images):
    got = collect(
        convolve, [images], pool={"hid*": "max", "logits": lambda x: -x}, progress=False
    )
    hidden = np.asarray(convolve(images)["hidden"])
    np.testing.assert_allclose(got["hidden"], hidden.max((1, 2)), rtol=1e-5)
    np.testing.assert_allclose(
        got["logits"], -np.tanh(hidden.mean((1, 2))), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("pool", ["mean", "max", "flatten", "positions"])
def test_results_do_not_depend_on_the_batch_size(pool, images):
    whole, *parts = [
        collect(
            convolve,
            batched(images, size, ids=np.arange(7)),
            layers="hidden",
            pool=pool,
            progress=False,
        )["hidden"]
        for size in (7, 1, 3, 4)
    ]
    for part in parts:
        np.testing.assert_array_equal(part, whole)
        np.testing.assert_array_equal(part.ids, whole.ids)
        assert part.names == whole.names


def test_wide_products_round_the_same_however_the_input_was_batched(rng):
    weights = rng.normal(size=(512, 512)).astype(np.float32)
    inputs = rng.normal(size=(70, 512)).astype(np.float32)
    whole, *parts = [
        collect(lambda x: x @ weights, batched(inputs, size), progress=False)["output"]
        for size in (70, 1, 7, 16)
    ]
    for part in parts:
        np.testing.assert_array_equal(part, whole)


MANY_DEVICES = """
import numpy as np, jax
from invert_jax.activations import batched, collect
inputs = np.random.default_rng(0).normal(size=(70, 512)).astype(np.float32)
weights = np.random.default_rng(1).normal(size=(512, 512)).astype(np.float32)
got = collect(lambda x: x @ weights, batched(inputs, 16), progress=False)["output"]
print(jax.local_device_count(), got.shape, hash(got.values.tobytes()))
"""


def test_results_do_not_depend_on_how_many_devices_take_part():
    outputs = []
    for count in (1, 4):
        flags = f"--xla_force_host_platform_device_count={count}"
        environment = os.environ | {"XLA_FLAGS": flags, "PYTHONHASHSEED": "0"}
        done = subprocess.run(
            [sys.executable, "-c", MANY_DEVICES],
            capture_output=True,
            text=True,
            env=environment,
        )
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout.split(maxsplit=1))
    assert [count for count, _ in outputs] == ["1", "4"]
    assert outputs[0][1] == outputs[1][1]


ONE_OF_TWO = """
import sys, jax, numpy as np
from invert_jax.activations import batched, collect
rank, address, store = int(sys.argv[1]), sys.argv[2], sys.argv[3]
jax.distributed.initialize(address, num_processes=2, process_id=rank)
assert jax.process_count() == 2 and len(jax.devices()) == 2
mine = np.array_split(np.arange(90), 2)[rank]
inputs = np.random.default_rng(0).normal(size=(90, 16)).astype(np.float32)[mine]
collect(lambda x: {"layer": 2 * x},
        batched(inputs, 20, ids=mine), store=store + str(rank), progress=False)
"""


def test_two_processes_collect_their_samples_into_one_layer(tmp_path):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    words = [sys.executable, "-c", ONE_OF_TWO]
    running = [
        subprocess.Popen(
            [*words, str(rank), address, f"{tmp_path}/part"],
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    errors = [process.communicate(timeout=120)[1] for process in running]
    assert [process.returncode for process in running] == [0, 0], errors

    first, second = (open_store(f"{tmp_path}/part{rank}")["layer"] for rank in range(2))
    inputs = np.random.default_rng(0).normal(size=(90, 16)).astype(np.float32)
    whole = first.stack(second)
    np.testing.assert_array_equal(whole, 2 * inputs)
    assert whole.ids is not None and whole.ids.tolist() == list(range(90))


def test_a_model_of_one_batch_size_gets_batches_of_that(rng):
    inputs = rng.normal(size=(20, 6)).astype(np.float32)
    model = lambda x: x.reshape(8, 2, 3)  # noqa: E731
    got = collect(model, batched(inputs, 8), pool="flatten", progress=False)
    np.testing.assert_array_equal(got["output"], inputs)


def test_batches_may_come_from_a_generator(images):
    got = collect(convolve, (images[i : i + 2] for i in range(0, 7, 2)), progress=False)
    assert got["logits"].shape == (7, 5)
    assert got["logits"].ids is None


def test_ids_come_along_without_the_filling(images):
    ids = np.array([f"{i}.png" for i in range(7)])
    got = collect(convolve, batched(images, 3, ids=ids), progress=False)
    np.testing.assert_array_equal(got["hidden"].ids, ids)


def test_flattened_neurons_are_named_by_channel_and_position(images):
    got = collect(convolve, [images], layers="hidden", pool="flatten", progress=False)
    column = got["hidden"].names.index("4@3,2")
    expected = convolve(images)["hidden"][:, 3, 2, 4]
    np.testing.assert_allclose(
        got["hidden"].values[:, column], expected, rtol=1e-5, atol=1e-6
    )


def test_pixels_are_samples_that_line_up_with_a_segmentation_map(images, rng):
    segmentation = rng.integers(3, size=(7, 4, 4))

    got = collect(
        convolve,
        batched(images, 4, ids=np.arange(100, 107)),
        layers="hidden",
        pool="positions",
        progress=False,
    )["hidden"]

    assert got.shape == (7 * 16, 5)
    np.testing.assert_array_equal(got.ids, position_ids(np.arange(100, 107), (4, 4)))
    pixel = np.asarray(got.ids).tolist().index("102@3,1")
    np.testing.assert_allclose(
        got.values[pixel], convolve(images)["hidden"][2, 3, 1], rtol=1e-5, atol=1e-6
    )
    assert segmentation.ravel()[pixel] == segmentation[2, 3, 1]


def embed(tokens):
    table = jnp.linspace(-1, 1, 20 * 3).reshape(20, 3)
    return {"tokens": table[tokens], "counts": (tokens > 0).sum(1)}


def test_tokens_are_samples_that_line_up_with_concepts_of_tokens(rng):
    tokens = rng.integers(1, 20, size=(5, 6))
    lengths = np.array([6, 1, 3, 4, 2])
    where = np.arange(6)[None] < lengths[:, None]
    tokens = np.where(where, tokens, 0)
    names = np.array(list("abcde"))

    got = collect(
        embed,
        batched(tokens, 2, ids=names, where=where),
        layers="tokens",
        pool="positions",
        progress=False,
    )["tokens"]

    assert got.num_samples == lengths.sum()
    np.testing.assert_array_equal(got.ids, position_ids(names, (6,), where))
    of_token = np.linspace(-1, 1, 60, dtype=np.float32).reshape(20, 3)[tokens[where]]
    np.testing.assert_allclose(got, of_token, rtol=1e-5, atol=1e-6)


def test_masks_are_made_from_the_inputs_or_given_with_the_batches(rng):
    tokens = rng.integers(0, 3, size=(5, 6))
    tokens[:, 0] = 1
    made = collect(embed, [tokens], where=lambda tokens: tokens > 0, progress=False)
    given = collect(embed, [Batch(tokens, where=tokens > 0)], progress=False)
    by_layer = collect(
        embed, [Batch(tokens, where={"tok*": tokens > 0})], progress=False
    )
    for other in (given, by_layer):
        np.testing.assert_array_equal(made["tokens"], other["tokens"])
    assert made["counts"].shape == (5, 1)


def test_layers_with_other_positions_can_be_left_without_a_mask(images):
    def model(images):
        return convolve(images) | {"pooled": images[:, ::2, ::2]}

    inside = lambda images: images[..., 0] > -9  # noqa: E731
    with pytest.raises(ValueError, match=r"layer 'pooled'.*Give a dict of layers"):
        collect(model, [images], where=inside)
    got = collect(model, [images], where={"hidden": inside}, progress=False)
    assert got["pooled"].shape == (7, 3)


def test_low_precision_is_kept_where_nothing_is_computed(images):
    model = lambda x: {"a": x[:, 0, 0].astype(jnp.bfloat16)}  # noqa: E731
    assert collect(model, [images], progress=False)["a"].dtype == jnp.bfloat16


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite_name_layer_and_sample(bad, images):
    images[5, 0, 0, 0] = bad
    batches = batched(images, 3, ids=np.arange(10, 17))
    with pytest.raises(ValueError, match=r"layer 'hidden' gives nan.*sample 5 \(id 15"):
        collect(convolve, batches)


def test_nan_at_padding_does_no_harm(images):
    images[:, 0] = np.nan
    model = lambda x: {"same": x}  # noqa: E731
    inside = lambda x: jnp.ones(x.shape[:3], bool).at[:, 0].set(False)  # noqa: E731
    for pool in ("mean", "max", "positions"):
        got = collect(model, [images], pool=pool, where=inside, progress=False)
        assert np.isfinite(np.asarray(got["same"])).all()
    with pytest.raises(ValueError, match="for sample 0"):
        collect(model, [images], pool="positions")


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"batches": []}, ValueError, "at least one batch"),
        ({"layers": "conv"}, ValueError, "It has: hidden, logits"),
        ({"batch_size": 0}, ValueError, "`batch_size` must be at least 1"),
        ({"dtype": "flot32"}, TypeError, "`dtype` must be float32, .* got flot32"),
        ({"layers": []}, ValueError, "`layers` must name at least one layer"),
        ({"pool": "cls"}, ValueError, "Layer 'hidden': `pool` takes position 0"),
        (
            {"pool": "last"},
            ValueError,
            "Layer 'hidden': `pool` takes position -1, ",
        ),
        ({"pool": lambda x: 1.0}, ValueError, "must return .samples, neurons."),
        (
            {
                "layers": "hidden",
                "pool": lambda x: x[:, 0, 0],
                "where": lambda x: x[..., 0] > 0,
            },
            ValueError,
            "must be a function that takes `where=` too",
        ),
        ({"pool": "median"}, ValueError, "'median'"),
        ({"pool": {"conv": "max"}}, ValueError, "matches none of hidden, logits"),
        ({"pool": "positions"}, ValueError, "'logits' has"),
        ({"where": {"conv": jnp.isfinite}}, ValueError, "`where` must be given for"),
        (
            {
                "batches": [
                    Batch(np.ones((1, 4, 4, 3), "f"), where=np.ones((1, 4), int))
                ],
                "where": jnp.isfinite,
            },
            ValueError,
            "must be given once",
        ),
    ],
)
def test_wrong_calls_are_refused(wrong, error, message, images):
    settings = {"model": convolve, "batches": [images], "progress": False} | wrong
    with pytest.raises(error, match=message):
        collect(**settings)
