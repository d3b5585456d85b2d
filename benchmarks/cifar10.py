"""Do the neurons of a network trained on CIFAR-10 get the labels that they should?

The whole job, from a TFDS data set on disk to formulas. A small convolutional network
is trained on the training images. The activations of its layers on the test images are
collected to disk; the labels of these images and what WordNet says is above them are
the concepts; each neuron gets a formula. Several copies of the data set, in other file
formats, must give the same answer to the bit.

    python benchmarks/cifar10.py --data cifar10 --epochs 12

A data set is named as TFDS names it, or by its folder; the first one must have the
training images. `--out` names a file to which one line of JSON is added; `--keep` a
folder for activations and labels, which stay there.
"""

import argparse
import tempfile
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from jaxtyping import Array, Float, Int, PyTree, UInt8
from report import markdown
from timing import Stopwatch, append_line, environment, peak_memory

import invert_jax as ij
from invert_jax.explanations.record import LABELED

LAYERS = ("edges", "shapes", "parts", "hidden", "logits")
BATCH_SIZE = 64
LEARNING_RATE = 5e-3
SHIFT = 2
# 20 of the 5,000 images that are searched: no formula rests on a handful.
MIN_FRACTION = 0.004
GOOD = 0.8
SHOWN = 12

Variables: TypeAlias = PyTree[Float[Array, "..."]]


class Strided(nn.Module):
    """3 x 3 convolution at every other pixel, normalized, and ReLU.

    A stride, not max pooling, whose gradient takes XLA's CPU backend three times as
    long as all the rest.
    """

    num_features: int
    train: bool

    @nn.compact
    def __call__(
        self, maps: Float[Array, "batch rows columns below"]
    ) -> Float[Array, "batch fewer_rows fewer_columns features"]:
        """Feature maps of half the height and width."""
        maps = nn.Conv(self.num_features, (3, 3), strides=2, use_bias=False)(maps)
        return normalized(maps, train=self.train)


class Hidden(nn.Module):
    """Dense layer, normalized, and ReLU."""

    num_features: int
    train: bool

    @nn.compact
    def __call__(
        self, units: Float[Array, "batch below"]
    ) -> Float[Array, "batch units"]:
        """Units over the units below."""
        units = nn.Dense(self.num_features, use_bias=False)(units)
        return normalized(units, train=self.train)


def normalized(
    values: Float[Array, "*batch features"], *, train: bool
) -> Float[Array, "*batch features"]:
    """Batch normalization and ReLU: no unit is silent on every image."""
    return nn.relu(nn.BatchNorm(use_running_average=not train, momentum=0.9)(values))


class SmallNetwork(nn.Module):
    """Three convolutions, a hidden layer of 32 units and ten logits."""

    @nn.compact
    def __call__(
        self, images: UInt8[Array, "batch 32 32 3"], train: bool = False
    ) -> Float[Array, "batch 10"]:
        """Logits of images."""
        maps = images.astype(jnp.float32) / 64 - 2
        for name, num_features in (("edges", 32), ("shapes", 64), ("parts", 128)):
            maps = Strided(num_features, train, name=name)(maps)
        units = Hidden(32, train, name="hidden")(maps.reshape(len(maps), -1))
        return nn.Dense(10, name="logits")(units)


class TrainState(NamedTuple):
    """What a training step changes."""

    variables: Variables
    optimizer: optax.OptState


class Answer(NamedTuple):
    """What one copy of the data set gives.

    Attributes:
        layers: Activations on the test images.
        explanations: The formulas of each layer.
        classes: Class of each test image.
    """

    layers: dict[str, ij.Activations]
    explanations: dict[str, ij.Explanations]
    classes: Int[np.ndarray, " samples"]


def main() -> None:
    """Train once; explain by each copy; compare, print, append a line."""
    arguments = parse()
    seconds = {name: Stopwatch() for name in ("read", "train", "collect", "explain")}
    with seconds["read"]:
        images, classes = read_split(arguments.data[0], "train")
    with seconds["train"]:
        variables = train(images, classes, num_epochs=arguments.epochs)
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        layers = LAYERS[-2:] if arguments.last else LAYERS
        answers = [
            answer(variables, data, layers, folder / str(number), seconds)
            for number, data in enumerate(arguments.data)
        ]
        for other in answers[1:]:
            check_same(answers[0], other)
        facts = facts_of(answers[0])
        record = {
            "benchmark": "cifar10",
            "num_train_images": len(classes),
            "num_epochs": arguments.epochs,
            "num_copies": len(answers),
            **facts,
            "seconds": {name: each.timing._asdict() for name, each in seconds.items()},
            "peak_memory": peak_memory(),
            **environment(),
        }
        print(text_of(record, answers[0]))
    if arguments.out:
        append_line(arguments.out, record)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", nargs="+", default=["cifar10"], metavar="NAME")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument(
        "--last", action="store_true", help="only the hidden layer and the logits"
    )
    parser.add_argument("--out", type=Path, metavar="FILE")
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    return parser.parse_args()


def read_split(
    data: str, split: str
) -> tuple[UInt8[np.ndarray, "samples 32 32 3"], Int[np.ndarray, " samples"]]:
    """All images of a split, and their classes."""
    batches = ij.concepts.tfds_batches(data, split, batch_size=1000)
    images = np.concatenate([batch.inputs for batch in batches])
    return images, classes_of(ij.concepts.from_tfds(data, split, progress=False))


def classes_of(labels: ij.Concepts) -> Int[np.ndarray, " samples"]:
    """The class of each sample of a table of ten classes."""
    return labels.masks()[:, :10].argmax(axis=1)


def train(
    images: UInt8[np.ndarray, "samples 32 32 3"],
    classes: Int[np.ndarray, " samples"],
    *,
    num_epochs: int,
) -> Variables:
    """Fit a `SmallNetwork` by AdamW on images that are mirrored and shifted at random.

    The steps run in a Python loop: inside a `lax` loop XLA's CPU backend leaves its
    fast convolutions.
    """
    rng = np.random.default_rng(0)
    num_batches = len(images) // BATCH_SIZE
    schedule = optax.cosine_onecycle_schedule(
        num_epochs * num_batches, LEARNING_RATE, pct_start=0.2
    )
    optimizer = optax.adamw(schedule, weight_decay=1e-2)
    variables = SmallNetwork().init(jax.random.key(0), images[:1])
    state = TrainState(variables, optimizer.init(variables["params"]))
    step = jax.jit(partial(training_step, optimizer=optimizer))
    for _ in range(num_epochs):
        order = rng.permutation(len(images))[: num_batches * BATCH_SIZE]
        for batch in order.reshape(num_batches, BATCH_SIZE):
            state = step(state, varied(rng, images[batch]), classes[batch])
    return jax.block_until_ready(state.variables)


def varied(
    rng: np.random.Generator, images: UInt8[np.ndarray, "batch 32 32 3"]
) -> UInt8[np.ndarray, "batch 32 32 3"]:
    """Each image moved by up to two pixels both ways, and half of them mirrored."""
    sides = ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0))
    padded = np.pad(images, sides, mode="reflect")
    corners = rng.integers(2 * SHIFT + 1, size=(len(images), 2))
    moved = np.stack(
        [
            image[row : row + 32, column : column + 32]
            for image, (row, column) in zip(padded, corners, strict=True)
        ]
    )
    mirrored = rng.random(len(images)) < 0.5
    moved[mirrored] = moved[mirrored, :, ::-1]
    return moved


def training_step(
    state: TrainState,
    images: UInt8[Array, "batch 32 32 3"],
    classes: Int[Array, " batch"],
    *,
    optimizer: optax.GradientTransformation,
) -> TrainState:
    """Change the weights once, against the mean loss of a batch.

    Each logit is a detector of its own class, by the cross-entropy of its sigmoid and
    targets of 0.01 and 0.91: a softmax would leave what all logits of an image share
    undetermined, and so how a logit orders the images.
    """
    targets = 0.9 * jax.nn.one_hot(classes, 10) + 0.01
    others = {name: each for name, each in state.variables.items() if name != "params"}

    def loss(params: PyTree) -> tuple[Float[Array, ""], PyTree]:
        logits, changed = SmallNetwork().apply(
            {"params": params, **others}, images, train=True, mutable=list(others)
        )
        losses = optax.sigmoid_binary_cross_entropy(logits, targets)
        return losses.sum(axis=1).mean(), changed

    params = state.variables["params"]
    gradients, changed = jax.grad(loss, has_aux=True)(params)
    updates, optimizer_state = optimizer.update(gradients, state.optimizer, params)
    params = optax.apply_updates(params, updates)
    return TrainState({"params": params, **changed}, optimizer_state)


def answer(
    variables: Variables,
    data: str,
    layers: Sequence[str],
    folder: Path,
    seconds: dict[str, Stopwatch],
) -> Answer:
    """Activations and formulas of the layers on the test images of one copy."""
    with seconds["collect"]:
        collected = ij.activations.collect(
            SmallNetwork(),
            ij.concepts.tfds_batches(data, "test", batch_size=500),
            variables=variables,
            layers=layers,
            store=folder / "activations",
            progress=False,
        )
    with seconds["explain"]:
        labels = ij.concepts.from_tfds(data, "test", progress=False)
        with warnings.catch_warnings():
            # "6 ambiguous names": the first sense is the right one of each.
            warnings.filterwarnings("ignore", message="`with_hypernyms` took")
            concepts = ij.concepts.with_hypernyms(labels)
        options = ij.Options(progress=False)
        settings: dict[str, Any] = {"min_fraction": MIN_FRACTION, "holdout": 0.5}
        found = ij.explain(collected, concepts, **settings, key=0, options=options)
        explanations = {name: each.simplest() for name, each in found.items()}
    for name, each in explanations.items():
        each.save(folder / "labels" / name)
    return Answer(collected, explanations, classes_of(labels))


def check_same(one: Answer, other: Answer) -> None:
    """Stop unless two copies gave the same activations and formulas, to the bit."""
    assert list(one.layers) == list(other.layers)
    for name in one.layers:
        a, b = one.layers[name], other.layers[name]
        np.testing.assert_array_equal(a.ids, b.ids, err_msg=name)
        np.testing.assert_array_equal(a, b, strict=True, err_msg=name)
        x, y = one.explanations[name], other.explanations[name]
        for field in ("literals", "operators", "lengths", "rank_sums", "supports"):
            np.testing.assert_array_equal(
                getattr(x, field), getattr(y, field), strict=True, err_msg=name
            )
        assert x.concept_names == y.concept_names, name


def facts_of(answer: Answer) -> dict[str, Any]:
    """What the labels say of the network, in figures."""
    logits = np.asarray(answer.layers["logits"])
    first = answer.explanations["logits"].at_length(1)
    classes = first.concept_names[:10]
    found = [str(formulas[0]) for formulas in first.formulas]
    return {
        "num_test_images": len(answer.classes),
        "accuracy": float(np.mean(logits.argmax(axis=1) == answer.classes)),
        "own_class": sum(map(str.__eq__, found, classes)),
        "layers": {name: _layer(each) for name, each in answer.explanations.items()},
        "best_hidden": _best_units(answer.explanations["hidden"]),
    }


def _best_units(explanations: ij.Explanations) -> list[tuple[int, str, float]]:
    """Unit, label and held-out AUROC of those of highest AUROC."""
    assert explanations.held_out is not None
    scores = explanations.held_out.scores[:, 0]
    best = np.argsort(-scores, kind="stable")[:SHOWN].tolist()
    return [(j, str(explanations.formulas[j][0]), float(scores[j])) for j in best]


def _layer(explanations: ij.Explanations) -> dict[str, Any]:
    """How well the units of a layer are named."""
    assert explanations.held_out is not None
    best = explanations.held_out.scores[:, 0]
    labeled = explanations.status == LABELED
    return {
        "num_neurons": explanations.num_neurons,
        "num_labeled": int(labeled.sum()),
        "num_good": int((best > GOOD).sum()),
        "mean_auroc": float(best[labeled].mean()),
    }


def text_of(record: dict[str, Any], answer: Answer) -> str:
    """The tables of a run: the logits, and the best units of the layer before."""
    wall = ", ".join(f"{k} {t['wall']:.1f} s" for k, t in record["seconds"].items())
    best = [unit for unit, _, _ in record["best_hidden"]]
    return "\n".join(
        (
            f"{record['num_train_images']:,} training images, {record['num_epochs']} "
            f"epochs, accuracy {record['accuracy']:.3f} on "
            f"{record['num_test_images']:,} test images; {wall}.",
            f"{record['num_copies']} copies of the data set, same answer.",
            "",
            _layers_table(record["layers"]),
            "",
            f"{record['own_class']} of 10 logits get their own class at length 1:",
            "",
            _units_table("logit", answer.explanations["logits"], range(10)),
            "",
            f"The {SHOWN} hidden units of highest held-out AUROC:",
            "",
            _units_table("unit", answer.explanations["hidden"], best),
        )
    )


def _layers_table(layers: dict[str, dict[str, Any]]) -> str:
    rows = [
        (name, str(each["num_neurons"]), str(each["num_labeled"]),
         str(each["num_good"]), f"{each['mean_auroc']:.4f}")
        for name, each in layers.items()
    ]  # fmt: skip
    header = ("layer", "neurons", "labeled", f"held out > {GOOD}", "mean")
    return markdown(header, rows)


def _units_table(kind: str, explanations: ij.Explanations, units: Sequence[int]) -> str:
    """The label of each unit, and beside it the longest formula."""
    longest = explanations.at_length(explanations.max_length)
    rows = [
        (str(unit), *_cells(explanations, unit), *_cells(longest, unit))
        for unit in units
    ]
    header = ("label", "held out", "images", "longest", "held out", "images")
    return markdown((kind, *header), rows)


def _cells(explanations: ij.Explanations, unit: int) -> tuple[str, str, str]:
    """Best formula, its held-out AUROC, and how many images it holds on."""
    assert explanations.held_out is not None
    return (
        str(explanations.formulas[unit][0]),
        f"{explanations.held_out.scores[unit, 0]:.4f}",
        f"{explanations.num_positives[unit, 0]:,}",
    )


if __name__ == "__main__":
    main()
