"""Concepts of tokens and pixels, through real Flax models, to the names of units."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tensorflow_datasets as tfds

import invert_jax as ij
from tests.datasets.tfds.prepared_datasets import png

QUIET = ij.Options(progress=False)
WORDS = ["", "not", "good", "bad", "old", "new"]  # the first is padding
SCENES = ["land", "sea", "sky"]
COLORS = np.array([[90, 140, 60], [30, 60, 160], [150, 190, 250]])


def trained(model, variables, loss: Callable, *, steps: int):
    """The variables after some steps of Adam on one batch."""
    optimizer = optax.adam(1e-2)

    @jax.jit
    def step(carry, _):
        variables, state = carry
        value, gradient = jax.value_and_grad(loss)(variables)
        updates, state = optimizer.update(gradient, state)
        return (optax.apply_updates(variables, updates), state), value

    carry = variables, optimizer.init(variables)
    (variables, _), losses = jax.lax.scan(step, carry, length=steps)
    assert losses[-1] < 0.1 * losses[0]
    return variables


class Reader(nn.Module):
    """A transformer that finds the words that `not` stands before."""

    @nn.compact
    def __call__(self, tokens):
        places = self.param("places", nn.initializers.normal(1), (1, 8, 32))
        x = nn.Embed(len(WORDS), 32)(tokens) + places
        mask = nn.make_attention_mask(tokens > 0, tokens > 0)
        x = x + nn.MultiHeadDotProductAttention(2, name="attention")(x, mask=mask)
        x = nn.relu(nn.Dense(32, name="hidden")(x))
        return nn.Dense(1, name="negated")(x)


@pytest.fixture(scope="module")
def sentences():
    rng = np.random.default_rng(5)
    lengths = rng.integers(2, 9, size=256)
    where = np.arange(8)[None] < lengths[:, None]
    tokens = np.where(where, rng.integers(1, len(WORDS), size=(256, 8)), 0)
    negated = np.zeros_like(where)
    negated[:, 1:] = (tokens[:, :-1] == 1) & where[:, 1:]
    return tokens, where, negated


@pytest.fixture(scope="module")
def reader(sentences):
    tokens, where, negated = sentences
    model = Reader()

    def loss(variables):
        logits = jnp.asarray(model.apply(variables, tokens))[..., 0]
        errors = optax.sigmoid_binary_cross_entropy(logits, negated)
        return (errors * where).sum() / where.sum()

    variables = model.init(jax.random.key(0), tokens[:1])
    return model, trained(model, variables, loss, steps=200)


def test_units_of_tokens_are_named_by_concepts_of_tokens(sentences, reader):
    tokens, where, negated = sentences
    model, variables = reader
    names = np.array([f"sentence {index}" for index in range(len(tokens))])
    layers = ij.activations.collect(
        model,
        ij.activations.batched(tokens, 100, ids=names, where=where),
        variables=variables,
        layers=["hidden", "negated"],
        pool="positions",
        progress=False,
    )
    words = ij.Concepts.from_labels(
        tokens[where] - 1,
        WORDS[1:],
        ids=ij.activations.position_ids(names, (8,), where),
    )
    context = ij.Concepts.from_masks(
        np.stack([negated[where], np.nonzero(where)[1] == 0], axis=1),
        ["negated", "first"],
        ids=words.ids,
    )

    explanations = ij.explain(
        layers, words.join(context), max_length=1, min_fraction=0.05, options=QUIET
    )

    assert explanations["negated"].num_samples == where.sum()
    assert str(explanations["negated"].formulas[0][0]) == "negated"
    assert explanations["negated"].scores[0, 0] > 0.99
    of_hidden = explanations["hidden"]
    alive = of_hidden.status == "labeled"
    assert alive.sum() > 16 and np.median(of_hidden.scores[alive, 0]) > 0.8


def test_tokens_counted_without_their_padding_are_refused(sentences, reader):
    tokens, where, _ = sentences
    model, variables = reader
    padded = ij.activations.collect(
        model, [tokens], variables=variables, layers="negated", pool="positions",
        progress=False,
    )  # fmt: skip
    words = ij.Concepts.from_labels(tokens[where] - 1, WORDS[1:])
    with pytest.raises(ValueError, match="must describe the same samples"):
        ij.explain(padded, words, max_length=1, min_fraction=0.05, options=QUIET)


class Scenes(tfds.core.GeneratorBasedBuilder):
    """Pictures of three colors, with a map of what is where."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        image = tfds.features.Image(shape=(8, 8, 3))
        scene = tfds.features.LabeledImage(labels=SCENES, shape=(8, 8, 1))
        features = tfds.features.FeaturesDict({"image": image, "scene": scene})
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        rng = np.random.default_rng(3)
        for index in range(60):
            scene = np.kron(rng.integers(3, size=(2, 2)), np.ones((4, 4), int))
            image = COLORS[scene] + rng.integers(-25, 26, size=(8, 8, 3))
            image = np.clip(image, 0, 255).astype(np.uint8)
            yield index, {"image": png(image), "scene": png(scene.astype(np.uint8))}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    builder = Scenes(data_dir=tmp_path_factory.mktemp("tfds"), file_format="parquet")
    builder.download_and_prepare()
    return builder


class Segmenter(nn.Module):
    """A convolutional network that says what each pixel, or cell, shows."""

    strides: int

    @nn.compact
    def __call__(self, images):
        strides = (self.strides, self.strides)
        x = nn.relu(nn.Conv(8, (3, 3), strides=strides, name="edges")(images))
        return nn.Conv(len(SCENES), (1, 1), name="scene")(x)


@pytest.mark.parametrize("cell", [1, 2])
def test_units_of_pixels_are_named_by_a_segmentation_map(cell, scenes):
    batches = ij.concepts.tfds_batches(
        scenes, "train", inputs="image", transform=lambda image: image / np.float32(255)
    )
    size = 8 // cell
    concepts = ij.concepts.from_tfds(
        scenes, "train", positions=(size, size), min_area=0.5, progress=False
    )
    (batch,) = batches
    of_cells = concepts.masks().argmax(1).reshape(len(batch.inputs), size, size)
    model = Segmenter(cell)

    def loss(variables):
        logits = model.apply(variables, batch.inputs)
        errors = optax.softmax_cross_entropy_with_integer_labels(logits, of_cells)
        return jnp.mean(errors)

    variables = model.init(jax.random.key(0), batch.inputs[:1])
    variables = trained(model, variables, loss, steps=150)
    layers = ij.activations.collect(
        model, batches, variables=variables, layers=["edges", "scene"],
        pool="positions", progress=False,
    )  # fmt: skip

    assert concepts.ids is not None
    assert concepts.ids[:2].tolist() == ["train-0@0,0", "train-0@0,1"]
    explanations = ij.explain(
        layers, concepts, max_length=1, min_fraction=0.05, options=QUIET
    )
    named = [str(best) for best, *_ in explanations["scene"].formulas]
    assert named == [f"scene={name}" for name in SCENES]
    assert (explanations["scene"].scores[:, 0] > 0.97).all()
    other = concepts.take(np.arange(concepts.num_samples)[::-1])
    with pytest.raises(ValueError, match="in the same order; sample 0 has the id"):
        ij.explain(layers, other, max_length=1, min_fraction=0.05, options=QUIET)
