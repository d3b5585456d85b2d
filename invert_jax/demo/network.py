"""The network of the demo: a small convolutional classifier of digits.

    pixels ->  edges  ->  parts  -> hidden -> logits
    8 x 8    8 x 8 x 16  8 x 8 x 24   32        10

Convolutions and the hidden layer end with their ReLU, so that what a layer gives is
what the next one reads. The parts are normalized before the hidden layer reads them:
all are positive, and without it 13 of the 32 hidden units end up silent on every image.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Float, Key, PyTree

from invert_jax.demo.digits import Digits
from invert_jax.progress import progress_bar

LAYERS = ("parts", "hidden", "logits")
NUM_EPOCHS = 40
BATCH_SIZE = 64
LEARNING_RATE = 5e-3

Variables: TypeAlias = PyTree[Float[Array, "..."]]


class Rectified(nn.Module):
    """A linear layer and its ReLU.

    Attributes:
        make_linear: Makes the linear layer.
    """

    make_linear: Callable[..., nn.Module]

    @nn.compact
    def __call__(self, below: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
        """Units over the units below, or feature maps over feature maps."""
        return nn.relu(self.make_linear(name="linear")(below))


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
        maps = Rectified(partial(nn.Conv, 16, (3, 3)), name="edges")(maps)
        maps = Rectified(partial(nn.Conv, 24, (3, 3)), name="parts")(maps)
        maps = nn.max_pool(maps, (2, 2), strides=(2, 2))
        units = nn.LayerNorm(name="norm")(maps.reshape(len(maps), -1))
        units = Rectified(partial(nn.Dense, 32), name="hidden")(units)
        return nn.Dense(10, name="logits")(units)


def train(
    digits: Digits,
    *,
    seed: int = 0,
    num_epochs: int = NUM_EPOCHS,
    progress: bool = False,
) -> Variables:
    """Fit a `DigitNetwork` by Adam, a cosine schedule and shifts by up to one pixel.

    The seed fixes the first weights, the order of the pictures and the shifts.
    The steps run in a Python loop: inside a `lax` loop XLA's CPU backend leaves its
    fast convolutions (17 s instead of 2 s here).
    """
    key_init, key_shift = jax.random.split(jax.random.key(seed))
    rng = np.random.default_rng(seed)
    batch_size = min(BATCH_SIZE, len(digits.labels))
    num_batches = len(digits.labels) // batch_size
    num_steps = max(1, num_epochs * num_batches)
    optimizer = optax.adam(optax.cosine_decay_schedule(LEARNING_RATE, num_steps))
    variables = DigitNetwork().init(key_init, jnp.zeros((1, 8, 8)))
    state = optimizer.init(variables)

    @jax.jit
    def step(variables, state, key, images, labels):
        """Change the weights once, against the mean loss of a shifted batch."""

        def loss(variables):
            logits = DigitNetwork().apply(variables, shifted(key, images))
            return optax.softmax_cross_entropy_with_integer_labels(
                logits, labels
            ).mean()

        updates, state = optimizer.update(jax.grad(loss)(variables), state, variables)
        return optax.apply_updates(variables, updates), state

    with progress_bar(
        "train a network", num_epochs, things="epochs", show=progress, stays=True
    ) as advance:
        for epoch in range(num_epochs):
            order = rng.permutation(len(digits.labels))[: num_batches * batch_size]
            batches = order.reshape(num_batches, batch_size)
            for number, batch in enumerate(batches, start=epoch * num_batches):
                key = jax.random.fold_in(key_shift, number)
                images, labels = digits.images[batch], digits.labels[batch]
                variables, state = step(variables, state, key, images, labels)
            advance(1)
    return variables


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
