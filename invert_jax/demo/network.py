"""The network of the demo: a small convolutional classifier of digits.

    pixels ->  edges  ->  parts  -> hidden -> logits
    8 x 8    8 x 8 x 16  8 x 8 x 24   32        10

Convolutions and the hidden layer end with their ReLU, so that what a layer gives is
what the next one reads. The parts are normalized before the hidden layer reads them:
all are positive, and without it 13 of the 32 hidden units end up silent on every image.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Float, Int, Key, PyTree

from invert_jax.demo.digits import Digits

LAYERS = ("parts", "hidden", "logits")
NUM_EPOCHS = 40
BATCH_SIZE = 64
LEARNING_RATE = 5e-3

Variables: TypeAlias = PyTree[Float[Array, "..."]]


class Convolution(nn.Module):
    """3 x 3 convolution and ReLU."""

    num_features: int

    @nn.compact
    def __call__(
        self, maps: Float[Array, "batch rows columns below"]
    ) -> Float[Array, "batch rows columns features"]:
        """Feature maps over the feature maps below."""
        return nn.relu(nn.Conv(self.num_features, (3, 3), name="linear")(maps))


class Hidden(nn.Module):
    """Dense layer and ReLU."""

    num_features: int

    @nn.compact
    def __call__(
        self, units: Float[Array, "batch below"]
    ) -> Float[Array, "batch units"]:
        """Units over the units below."""
        return nn.relu(nn.Dense(self.num_features, name="linear")(units))


class DigitNetwork(nn.Module):
    """Two convolutions, a hidden layer and ten logits.

    >>> network = DigitNetwork()
    >>> variables = network.init(jax.random.key(0), jnp.zeros((1, 8, 8)))
    >>> network.apply(variables, jnp.zeros((5, 8, 8))).shape
    (5, 10)
    """

    @nn.compact
    def __call__(self, images: Float[Array, "batch 8 8"]) -> Float[Array, "batch 10"]:
        """Logits of images whose pixels have ink from 0 to 16."""
        maps = images[..., None] / 16
        maps = Convolution(16, name="edges")(maps)
        maps = Convolution(24, name="parts")(maps)
        maps = nn.max_pool(maps, (2, 2), strides=(2, 2))
        units = nn.LayerNorm(name="norm")(maps.reshape(len(maps), -1))
        units = Hidden(32, name="hidden")(units)
        return nn.Dense(10, name="logits")(units)


class TrainState(NamedTuple):
    """What a training step changes.

    Attributes:
        variables: Weights of the network.
        optimizer: State of the optimizer.
    """

    variables: Variables
    optimizer: optax.OptState


def train(
    digits: Digits,
    *,
    seed: int = 0,
    num_epochs: int = NUM_EPOCHS,
    on_epoch: Callable[[int], None] = lambda epoch: None,
) -> Variables:
    """Fit a `DigitNetwork` by Adam, a cosine schedule and shifts by up to one pixel.

    The steps run in a Python loop: inside a `lax` loop XLA's CPU backend leaves its
    fast convolutions (17 s instead of 2 s here).

    Args:
        digits: Pictures to learn from; at least one.
        seed: Fixes the first weights, the order of the pictures and the shifts.
        num_epochs: Times that each picture is seen.
        on_epoch: Called with the number of each epoch, from 1, when it is done.
    """
    key_init, key_shift = jax.random.split(jax.random.key(seed))
    rng = np.random.default_rng(seed)
    batch_size = min(BATCH_SIZE, len(digits.labels))
    num_batches = len(digits.labels) // batch_size
    optimizer = _optimizer(num_epochs * num_batches)
    variables = DigitNetwork().init(key_init, jnp.zeros((1, 8, 8)))
    state = TrainState(variables, optimizer.init(variables))
    step = jax.jit(partial(training_step, optimizer=optimizer))
    for epoch in range(num_epochs):
        order = rng.permutation(len(digits.labels))[: num_batches * batch_size]
        for i, batch in enumerate(order.reshape(num_batches, batch_size)):
            key = jax.random.fold_in(key_shift, epoch * num_batches + i)
            state = step(state, key, digits.images[batch], digits.labels[batch])
        on_epoch(epoch + 1)
    return state.variables


def training_step(
    state: TrainState,
    key: Key[Array, ""],
    images: Float[Array, "batch 8 8"],
    labels: Int[Array, " batch"],
    *,
    optimizer: optax.GradientTransformation,
) -> TrainState:
    """Change the weights once, against the mean cross-entropy of a shifted batch."""

    def loss(variables: Variables) -> Float[Array, ""]:
        logits = DigitNetwork().apply(variables, shifted(key, images))
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        return losses.mean()

    updates, optimizer_state = optimizer.update(
        jax.grad(loss)(state.variables), state.optimizer, state.variables
    )
    return TrainState(optax.apply_updates(state.variables, updates), optimizer_state)


def shifted(
    key: Key[Array, ""], images: Float[Array, "batch 8 8"]
) -> Float[Array, "batch 8 8"]:
    """Each image moved at random by -1, 0 or 1 pixel both ways; blank moves in."""

    def moved(image, corner):
        return lax.dynamic_slice(jnp.pad(image, 1), corner, image.shape)

    return jax.vmap(moved)(images, jax.random.randint(key, (len(images), 2), 0, 3))


def accuracy(variables: Variables, digits: Digits) -> float:
    """Part of the pictures whose largest logit is that of their digit, in [0, 1]."""
    logits = DigitNetwork().apply(variables, jnp.asarray(digits.images))
    return float(np.mean(jnp.argmax(jnp.asarray(logits), axis=1) == digits.labels))


def _optimizer(num_steps: int) -> optax.GradientTransformation:
    return optax.adam(optax.cosine_decay_schedule(LEARNING_RATE, max(1, num_steps)))
