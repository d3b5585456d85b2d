"""Real nnx modules of each kind, and linen's captures of the same architecture."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from invert_jax.activations.capture.dispatch import capture
from invert_jax.activations.capture.layer_list import layers
from invert_jax.activations.collecting.collection import collect


class Block(nnx.Module):
    def __init__(self, rngs, sequential=False):
        dense = nnx.Linear(4, 4, rngs=rngs)
        self.inner = nnx.Sequential(dense, nnx.relu) if sequential else dense

    def __call__(self, x):
        return nnx.relu(self.inner(x))


class Branched(nnx.Module):
    """Dropout, normalization, a list of blocks, a shared layer, a method, a sow."""

    def __init__(self, rngs):
        self.stem = nnx.Linear(4, 4, rngs=rngs)
        self.blocks = nnx.List([Block(rngs) for _ in range(2)])
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)

    def encode(self, x):
        return self.dropout(self.stem(x))

    def __call__(self, x):
        x = self.stem(self.encode(x))
        for block in self.blocks:
            x = block(x)
        self.sow(nnx.Intermediate, "hidden", 2 * x)
        return {"logits": self.norm(x), "rest": (x, x.sum())}


class Scanned(nnx.Module):
    def __init__(self, rngs):
        @nnx.split_rngs(splits=3)
        @nnx.vmap
        def stacked(rngs):
            return nnx.Linear(4, 4, rngs=rngs)

        self.steps = stacked(rngs)

    def __call__(self, x):
        @nnx.scan(in_axes=(0, nnx.Carry), out_axes=nnx.Carry)
        def run(step, x):
            return nnx.relu(step(x))

        return run(self.steps, x)


class Rematerialized(nnx.Module):
    def __init__(self, rngs, sequential):
        self.block = Block(rngs, sequential)

    def __call__(self, x):
        return nnx.remat(lambda block, x: block(x))(self.block, x)


class Jitted(nnx.Module):
    def __init__(self, rngs):
        self.block = Block(rngs)

    @nnx.jit
    def __call__(self, x):
        return self.block(x)


class Heir(nnx.Linear):
    """Inherits its `__call__`, which Flax does not capture by itself."""


class WithHeir(nnx.Module):
    def __init__(self, rngs):
        self.first = nnx.Linear(4, 4, rngs=rngs)
        self.second = Heir(4, 4, rngs=rngs)

    def __call__(self, x):
        return self.second(self.first(x))


class Insistent(nnx.Module):
    """In train mode whatever it was set to."""

    def __init__(self, kind, rngs):
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.kind = kind

    def __call__(self, x):
        if self.kind == "norm":
            return self.norm(x, use_running_average=False)
        return self.dropout(x, deterministic=False)


class Average(nnx.Variable):
    """A kind of variable of the user's own."""


class Averaging(nnx.Module):
    """Keeps an average of what it has seen, in a variable that eval() ignores."""

    def __init__(self):
        self.average = Average(jnp.zeros(4))

    def __call__(self, x):
        self.average[...] = 0.9 * self.average[...] + 0.1 * x.mean(0)
        return x - self.average[...][None]


@pytest.fixture
def vectors(rng):
    return rng.normal(size=(5, 4)).astype(np.float32)


def test_every_layer_shows_in_the_order_of_its_definition(vectors):
    model = Branched(nnx.Rngs(0))

    got = collect(model, [vectors], progress=False)

    assert list(got) == [
        "stem#0",
        "stem#1",
        "blocks/0/inner",
        "blocks/0",
        "blocks/1/inner",
        "blocks/1",
        "norm",
        "dropout",
        "encode",
        "hidden",
        "output.logits",
        "output.rest.0",
    ]
    np.testing.assert_allclose(got["stem#0"], model.stem(vectors), rtol=1e-5)
    np.testing.assert_array_equal(got["encode"], got["stem#0"])
    np.testing.assert_array_equal(got["hidden"], 2 * np.asarray(got["blocks/1"]))


def test_the_model_runs_in_eval_mode_and_stays_in_train_mode(vectors):
    model = Branched(nnx.Rngs(0))
    before = jax.tree.map(np.array, nnx.state(model, nnx.BatchStat))

    first = collect(model, [vectors], layers="output.logits", progress=False)
    second = collect(model, [vectors], layers="output.logits", progress=False)

    np.testing.assert_array_equal(first["output.logits"], second["output.logits"])
    assert not model.dropout.deterministic and not model.norm.use_running_average
    jax.tree.map(np.testing.assert_array_equal, before, nnx.state(model, nnx.BatchStat))
    model.eval()
    np.testing.assert_allclose(
        first["output.logits"], model(vectors)["logits"], rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("kind", ["norm", "dropout"])
def test_a_model_that_insists_on_train_mode_is_refused_with_the_cure(kind, vectors):
    with pytest.raises(ValueError, match=rf"needs or changes {kind}/.*`call`"):
        collect(Insistent(kind, nnx.Rngs(0)), [vectors])


def test_each_step_of_a_scan_is_a_layer(vectors):
    model = Scanned(nnx.Rngs(0))

    got = collect(model, [vectors], layers="steps", progress=False)

    assert list(got) == ["steps@0", "steps@1", "steps@2"]
    kernel, bias = np.array(model.steps.kernel[1]), np.array(model.steps.bias[1])
    expected = np.maximum(got["steps@0"], 0) @ kernel + bias
    np.testing.assert_allclose(got["steps@1"], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("sequential", [False, True])
def test_rematerialized_layers_show(sequential, vectors):
    found = layers(Rematerialized(nnx.Rngs(0), sequential), vectors)
    assert {"block", "block/inner", "output"} <= found.keys()


def test_layers_inside_jit_show(vectors):
    assert "block/inner" in layers(Jitted(nnx.Rngs(0)), vectors)


def test_a_layer_that_inherits_its_call_shows(vectors):
    found = layers(WithHeir(nnx.Rngs(0)), vectors)
    assert list(found) == ["first", "second", "output"]
    assert "__call__" not in vars(Heir)


class Wrapped(nnx.Module):
    """Dropout and normalization inside a transform that copies their state."""

    def __init__(self, train, rngs):
        self.block = Insistent("norm", rngs) if train else Calm(rngs)

    def __call__(self, x):
        return nnx.remat(lambda block, x: block(x))(self.block, x)


class Calm(nnx.Module):
    def __init__(self, rngs):
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x):
        return self.dropout(self.norm(x))


def test_a_model_that_changes_variables_of_its_own_is_refused(vectors):
    with pytest.raises(ValueError, match="it needs or changes average though"):
        collect(Averaging(), [vectors])


def test_state_that_is_only_copied_is_no_training(vectors):
    assert "block/norm" in layers(Wrapped(False, nnx.Rngs(0)), vectors)
    with pytest.raises(ValueError, match="changes block/norm/mean"):
        layers(Wrapped(True, nnx.Rngs(0)), vectors)


class Recurrent(nnx.Module):
    def __init__(self, rngs):
        self.rnn = nnx.RNN(nnx.LSTMCell(1, 3, rngs=rngs))

    def __call__(self, x):
        return self.rnn(x[..., None])


def test_a_recurrent_layer_shows_without_its_cell(vectors):
    model = Recurrent(nnx.Rngs(0))
    found = layers(model, vectors)
    assert found == {"rnn": (5, 4, 3), "output": (5, 4, 3)}


class Carried(nnx.Module):
    """Scans with itself as the carry."""

    def __init__(self, rngs):
        self.dense = nnx.Linear(4, 4, rngs=rngs)

    def __call__(self, x):
        def step(carry, _):
            module, x = carry
            return (module, module(x)), None

        (_, x), _ = nnx.scan(step, length=2)((self.dense, x), None)
        return x


def test_a_scan_that_carries_the_module_is_told_the_cure(vectors):
    with pytest.raises(TypeError, match="__captures__") as caught:
        layers(Carried(nnx.Rngs(0)), vectors)
    assert any("Give a function" in note for note in caught.value.__notes__)


def test_a_store_is_of_the_weights_whatever_the_random_state(vectors, tmp_path):
    model = Branched(nnx.Rngs(0))
    expected = collect(model, [vectors], store=tmp_path, progress=False)
    model.dropout.rngs.count.set_value(jnp.uint32(5))
    got = collect(model, [vectors], store=tmp_path, progress=False)
    np.testing.assert_array_equal(got["norm"], expected["norm"])
    model.stem.kernel.set_value(jnp.ones((4, 4)))
    with pytest.raises(ValueError, match="The model's variables differ"):
        collect(model, [vectors], store=tmp_path, progress=False)


def test_call_says_how_to_run_the_model(vectors):
    model = Branched(nnx.Rngs(0))
    call = lambda module, batch: module.encode(batch["x"])  # noqa: E731

    got = collect(model, [{"x": vectors}], call=call, progress=False)

    assert list(got) == ["stem", "dropout", "encode", "output"]


def test_variables_of_a_module_that_holds_its_own_are_refused():
    with pytest.raises(ValueError, match="left out for an nnx module"):
        capture(Branched(nnx.Rngs(0)), variables={})


class LinenNet(nn.Module):
    @nn.compact
    def __call__(self, images):
        x = nn.Conv(4, (3, 3), name="conv")(images)
        x = nn.relu(nn.BatchNorm(use_running_average=True, name="norm")(x))
        x = x.reshape(len(x), -1, 4)
        x = nn.MultiHeadDotProductAttention(2, name="attention")(x)
        return nn.Dense(3, name="head")(x.mean(1))


class NnxNet(nnx.Module):
    def __init__(self, rngs):
        self.conv = nnx.Conv(2, 4, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.attention = nnx.MultiHeadAttention(2, 4, decode=False, rngs=rngs)
        self.head = nnx.Linear(4, 3, rngs=rngs)

    def __call__(self, images):
        x = nnx.relu(self.norm(self.conv(images)))
        x = x.reshape(len(x), -1, 4)
        return self.head(self.attention(x).mean(1))


def test_linen_and_nnx_agree_on_one_architecture_with_the_same_weights(rng):
    images = rng.normal(size=(3, 6, 6, 2)).astype(np.float32)
    variables = LinenNet().init(jax.random.key(1), images)
    variables["batch_stats"] = jax.tree.map(
        lambda x: jnp.asarray(x + rng.random(x.shape), x.dtype),
        variables["batch_stats"],
    )
    model = NnxNet(nnx.Rngs(0))
    for path, variable in nnx.to_flat_state(nnx.state(model)):
        kind = "batch_stats" if isinstance(variable, nnx.BatchStat) else "params"
        tree = variables[kind]
        if isinstance(variable, (nnx.Param, nnx.BatchStat)):
            for name in path:
                tree = tree[name]
            variable.set_value(tree)
    nnx.update(model, nnx.state(model))

    theirs = collect(LinenNet(), [images], variables=variables, progress=False)
    ours = collect(model, [images], progress=False)

    assert theirs.keys() == ours.keys()
    for name, activations in ours.items():
        np.testing.assert_allclose(
            activations, theirs[name], rtol=1e-5, atol=1e-6, err_msg=name
        )
