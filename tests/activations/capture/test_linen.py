"""Real linen modules of each kind; what comes out is computed again from the parts."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.errors import FlaxError

from invert_jax.activations.capture.dispatch import capture
from invert_jax.activations.capture.layer_list import layers
from invert_jax.activations.capture.linen import capture_linen
from invert_jax.activations.collecting.collection import collect

KEY = jax.random.key(0)


class ConvNet(nn.Module):
    @nn.compact
    def __call__(self, images):
        hidden = nn.relu(nn.Conv(4, (3, 3), name="conv")(images))
        return nn.Dense(3, name="head")(hidden.mean((1, 2)))


class ResidualBlock(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        y = nn.Conv(4, (3, 3), use_bias=False)(x)
        y = nn.BatchNorm(use_running_average=not train)(y)
        return nn.relu(y + nn.Conv(4, (1, 1))(x))


class ResNet(nn.Module):
    @nn.compact
    def __call__(self, images, train):
        hidden = ResidualBlock(name="block_1")(images, train)
        hidden = ResidualBlock(name="block_2")(hidden, train)
        return nn.Dense(3)(hidden.mean((1, 2)))


class EncoderBlock(nn.Module):
    dropout: float = 0.1

    @nn.compact
    def __call__(self, x, mask=None, deterministic=True):
        y = nn.LayerNorm()(x)
        y = nn.MultiHeadDotProductAttention(2)(y, mask=mask)
        x = x + nn.Dropout(self.dropout)(y, deterministic=deterministic)
        return x + nn.Dense(8, name="mlp")(nn.LayerNorm()(x))


class VisionTransformer(nn.Module):
    @nn.compact
    def __call__(self, images, train=False):
        x = nn.Conv(8, (4, 4), strides=(4, 4), name="patches")(images)
        x = x.reshape(len(x), -1, 8)
        cls = self.param("cls", nn.initializers.normal(1), (1, 1, 8))
        x = jnp.concatenate([jnp.tile(cls, (len(x), 1, 1)), x], axis=1)
        x = x + self.param("places", nn.initializers.normal(1), (1, x.shape[1], 8))
        for index in range(1):
            x = EncoderBlock(name=f"block_{index}")(x, deterministic=not train)
        return nn.Dense(3, name="head")(x[:, 0])


class TokenTransformer(nn.Module):
    @nn.compact
    def __call__(self, tokens):
        x = nn.Embed(20, 8, name="embed")(tokens)
        mask = nn.make_attention_mask(tokens > 0, tokens > 0)
        return EncoderBlock(name="block")(x, mask)


class Shared(nn.Module):
    def setup(self):
        self.dense = nn.Dense(4)

    def encode(self, x):
        return self.dense(x)

    def __call__(self, x):
        return self.dense(nn.relu(self.encode(x)))


class Step(nn.Module):
    @nn.compact
    def __call__(self, x, _):
        x = nn.relu(nn.Dense(4, name="dense")(x))
        return x, None


class Scanned(nn.Module):
    shows_intermediates: bool = True

    @nn.compact
    def __call__(self, x):
        axes: dict = {"params": 0}
        if self.shows_intermediates:
            axes["intermediates"] = 0
        steps = nn.scan(Step, variable_axes=axes, split_rngs={"params": True}, length=3)
        x, _ = steps(name="steps")(x, None)
        return nn.Dense(2, name="head")(x)


class Rematerialized(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.remat(nn.Dense)(4, name="dense")(x)


class Parted(nn.Module):
    @nn.compact
    def __call__(self, x):
        self.sow("intermediates", "hidden", 2 * x)
        y = nn.Dense(4, name="dense")(x)
        return {"logits": y, "rest": (y + 1, y.sum(), None)}


def applied(module: nn.Module, variables: Any, *args: Any) -> np.ndarray:
    return np.asarray(module.apply(variables, *args))


def initialized(module, *args):
    variables = module.init(KEY, *args)
    return {name: variables[name] for name in variables if name != "intermediates"}


@pytest.fixture
def images(rng):
    return rng.normal(size=(5, 8, 8, 2)).astype(np.float32)


@pytest.fixture
def vectors(rng):
    return rng.normal(size=(5, 4)).astype(np.float32)


def test_a_convolutional_network_gives_each_layer(images):
    variables = initialized(ConvNet(), images)
    conv = applied(nn.Conv(4, (3, 3)), {"params": variables["params"]["conv"]}, images)

    got = collect(ConvNet(), [images], variables=variables, progress=False)

    assert list(got) == ["conv", "head", "output"]
    np.testing.assert_allclose(got["conv"], conv.mean((1, 2)), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(got["head"], got["output"])


def test_a_residual_network_uses_its_running_averages(images):
    variables = initialized(ResNet(), images, False)
    variables["batch_stats"] = jax.tree.map(lambda x: x + 0.5, variables["batch_stats"])
    call = lambda module, batch: module(batch, train=False)  # noqa: E731

    got = collect(ResNet(), [images], variables=variables, call=call, progress=False)

    expected = applied(ResNet(), variables, images, False)
    np.testing.assert_allclose(got["output"], expected, rtol=1e-5, atol=1e-6)
    assert {"block_1", "block_1/BatchNorm_0", "block_2/Conv_1"} <= got.keys()


def test_a_vision_transformer_gives_its_class_token(images):
    model = VisionTransformer()
    variables = initialized(model, images)

    got = collect(
        model,
        [images],
        variables=variables,
        layers="block_0",
        pool="cls",
        progress=False,
    )

    head = applied(nn.Dense(3), {"params": variables["params"]["head"]}, got["block_0"])
    expected = applied(model, variables, images)
    np.testing.assert_allclose(head, expected, rtol=1e-5, atol=1e-6)


def test_a_token_transformer_leaves_padding_out(rng):
    tokens = rng.integers(1, 20, size=(4, 6))
    tokens[0, 3:] = tokens[1, 5:] = 0
    model = TokenTransformer()
    variables = initialized(model, tokens)

    got = collect(
        model,
        [tokens],
        variables=variables,
        layers="block",
        where=lambda tokens: tokens > 0,
        progress=False,
    )

    output = applied(model, variables, tokens)
    expected = [row[tokens[i] > 0].mean(0) for i, row in enumerate(output)]
    np.testing.assert_allclose(got["block"], expected, rtol=1e-5, atol=1e-6)


def test_a_module_called_twice_gives_both_calls_and_its_methods(vectors):
    variables = initialized(Shared(), vectors)
    dense = nn.Dense(4).bind({"params": variables["params"]["dense"]})

    got = collect(Shared(), [vectors], variables=variables, progress=False)

    assert list(got) == ["dense#0", "dense#1", "encode", "output"]
    np.testing.assert_allclose(got["dense#0"], dense(vectors), rtol=1e-5)
    np.testing.assert_array_equal(got["encode"], got["dense#0"])
    np.testing.assert_array_equal(got["dense#1"], got["output"])


def test_each_step_of_a_scan_is_a_layer(vectors):
    variables = initialized(Scanned(), vectors)
    of_step = jax.tree.map(lambda x: x[1], variables["params"]["steps"]["dense"])

    got = collect(
        Scanned(), [vectors], variables=variables, layers="steps/dense", progress=False
    )

    assert list(got) == ["steps/dense@0", "steps/dense@1", "steps/dense@2"]
    before = np.maximum(np.asarray(got["steps/dense@0"]), 0)
    expected = applied(nn.Dense(4), {"params": of_step}, before)
    np.testing.assert_allclose(got["steps/dense@1"], expected, rtol=1e-5, atol=1e-6)


def test_steps_are_told_from_samples_when_there_are_as_many(vectors):
    variables = initialized(Scanned(), vectors)
    found = layers(Scanned(), vectors[:3], variables=variables)
    assert found["steps/dense@2"] == (3, 4)


def test_a_scan_that_hides_its_layers_is_told_how_to_show_them(vectors):
    model = Scanned(shows_intermediates=False)
    variables = initialized(model, vectors)

    with pytest.raises(ValueError, match=r"'steps/dense' is none.*intermediates': 0"):
        collect(model, [vectors], variables=variables, layers="steps/dense")
    with pytest.warns(UserWarning, match=r"No activations of steps,.*scan"):
        got = collect(model, [vectors], variables=variables, progress=False)
    assert "head" in got


def test_rematerialized_layers_show(vectors):
    variables = initialized(Rematerialized(), vectors)
    got = collect(Rematerialized(), [vectors], variables=variables, progress=False)
    np.testing.assert_array_equal(got["dense"], got["output"])


def test_dicts_tuples_and_sown_values_are_layers(vectors):
    variables = initialized(Parted(), vectors)

    got = collect(Parted(), [vectors], variables=variables, progress=False)

    assert list(got) == ["hidden", "dense", "output.logits", "output.rest.0"]
    np.testing.assert_array_equal(got["hidden"], 2 * vectors)
    np.testing.assert_array_equal(
        got["output.rest.0"], np.asarray(got["output.logits"]) + 1
    )


def test_bound_modules_and_stale_intermediates_are_taken(vectors):
    variables = initialized(Parted(), vectors)
    stale = variables | {"intermediates": {"hidden": (np.zeros(3),)}}
    for model, given in [(Parted().bind(variables), None), (Parted(), stale)]:
        got = collect(model, [vectors], variables=given, progress=False)
        np.testing.assert_array_equal(got["hidden"], 2 * vectors)


def test_capturing_changes_neither_model_nor_variables(images):
    model, variables = ConvNet(), initialized(ConvNet(), images)
    before = jax.tree.map(np.array, variables)
    collect(model, [images], variables=variables, progress=False)
    jax.tree.map(np.testing.assert_array_equal, before, variables)
    assert model == ConvNet()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (VisionTransformer(), "without random numbers.*`call`"),
        (ResNet(), "without updating its variables.*`call`"),
    ],
    ids=["dropout", "batch_stats"],
)
def test_a_model_in_train_mode_is_refused_with_the_cure(model, message, images):
    variables = initialized(model, images, False)
    with pytest.raises(ValueError, match=message):
        collect(
            model,
            [images],
            variables=variables,
            call=lambda module, batch: module(batch, train=True),
        )


@pytest.mark.parametrize("given", [{}, {"kernel": np.zeros((4, 4))}])
def test_variables_of_another_form_are_told_theirs(given, vectors):
    with pytest.raises(FlaxError) as caught:
        layers(Shared(), vectors, variables=given)
    assert "such as {'params': params}" in caught.value.__notes__[0]


class Recurrent(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.RNN(nn.LSTMCell(3, name="cell"), name="rnn")(x[..., None])


def test_the_cell_of_a_recurrent_layer_is_silent_and_said_to_be(vectors):
    variables = initialized(Recurrent(), vectors)
    with pytest.warns(UserWarning, match="No activations of cell, though"):
        got = collect(Recurrent(), [vectors], variables=variables, progress=False)
    assert got["rnn"].shape == (5, 3)


def test_a_missing_argument_is_told_its_cure(images):
    variables = initialized(ResNet(), images, False)
    with pytest.raises(TypeError, match="train") as caught:
        layers(ResNet(), images, variables=variables)
    assert "`call`" in caught.value.__notes__[0]


def test_a_model_without_variables_is_refused():
    with pytest.raises(ValueError, match="`variables` must be given"):
        capture(ConvNet())
    with pytest.raises(TypeError, match="dict of collections"):
        capture_linen(ConvNet(), jnp.zeros(3))
