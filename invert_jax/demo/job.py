"""The main job from start to end, on real data: `invert-jax demo`.

Train a network, watch its layers on images it has not seen, say what is true of those
images, explain every neuron on half of them, judge the answers on the other half and
against neurons without a meaning, check those that are known, write it all down.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Shaped
from rich.console import Console

import invert_jax as ij
from invert_jax.demo import digits, network, screen, self_check
from invert_jax.demo.digits import Digits
from invert_jax.engine.folders import record_places

BATCH_SIZE = 128
MIN_FRACTION = 0.05
HOLDOUT = 0.5
NUM_DRAWS = 999
ALPHA = 0.05
KEY = 0


class Findings(NamedTuple):
    """What the demo found.

    Attributes:
        activations: Of each layer, on the held-out images.
        maps: Where on the images the neurons of the convolutional layer fire.
        concepts: What is true of those images.
        explanations: Of each layer, with held-out scores and p-values.
        checks: What was checked where the truth is known.
    """

    activations: Mapping[str, ij.Activations]
    maps: Mapping[str, Float[np.ndarray, "samples rows columns neurons"]]
    concepts: ij.Concepts
    explanations: Mapping[str, ij.Explanations]
    checks: tuple[self_check.Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every check came out as it should."""
        return all(check.passed for check in self.checks)


def run(
    output: str | os.PathLike[str] = "invert_demo", *, progress: bool = True
) -> Findings:
    """Do the whole job, print what is found, write it to a folder.

    Args:
        output: The folder; made if need be. Files of an earlier run are replaced.
        progress: Whether to show bars.

    Raises:
        ImportError: scikit-learn, the extra `demo`, is not installed.
        ValueError: There is a file where the folder should be.
    """
    train, held_out = digits.halves(digits.load())
    console, output = Console(highlight=False), Path(output)
    if output.exists() and not output.is_dir():
        raise ValueError(f"`output` must be a folder; got the file {str(output)!r}.")
    output.mkdir(parents=True, exist_ok=True)
    console.print(screen.INTRODUCTION)
    findings = find(train, held_out, progress=progress)
    write(findings, held_out.images, output)
    screen.show_labels(console, findings.explanations, alpha=ALPHA)
    screen.show_checks(console, findings.checks)
    screen.show_next(console, output, min_fraction=MIN_FRACTION)
    return findings


def find(train: Digits, held_out: Digits, *, progress: bool) -> Findings:
    """Train on one half, explain and check on the other."""
    variables = network.train(train, progress=progress)
    activations = watched(variables, held_out, network.LAYERS, pool="mean")
    maps = np.asarray(watched(variables, held_out, "parts", pool="flatten")["parts"])
    maps = maps.reshape(*held_out.images.shape, -1)
    concepts = digits.concepts_of(held_out)
    every = explained({**activations, **shuffled(activations)}, concepts, progress)
    explanations = {layer: every.pop(layer) for layer in activations}
    accuracy = network.accuracy(variables, held_out)
    checks = (
        self_check.check_accuracy(accuracy, len(held_out.labels)),
        self_check.check_own_digits(explanations["logits"]),
        self_check.check_scores(explanations, activations, concepts),
        self_check.check_shuffled(every, alpha=ALPHA),
    )
    return Findings(activations, {"parts": maps}, concepts, explanations, checks)


def watched(
    variables: network.Variables, held_out: Digits, layers: Any, *, pool: str
) -> Mapping[str, ij.Activations]:
    """Activations of layers of the network on images."""
    batches = ij.activations.batched(held_out.images, BATCH_SIZE, ids=held_out.ids)
    return ij.activations.collect(
        network.DigitNetwork(), batches, variables=variables, layers=layers, pool=pool,
        progress=False,
    )  # fmt: skip


def shuffled(
    activations: Mapping[str, ij.Activations],
) -> dict[str, Shaped[np.ndarray, "samples neurons"]]:
    """Neurons without a meaning: those of each layer, shuffled over the images.

    A shuffled neuron is silent as often as before, and all that made it high on one
    image rather than another is gone: no formula is right.
    """
    rng = np.random.default_rng(KEY)
    return {
        f"shuffled {layer}": rng.permuted(np.asarray(values), axis=0)
        for layer, values in activations.items()
    }


def explained(
    activations: Mapping[str, Any], concepts: ij.Concepts, progress: bool
) -> dict[str, ij.Explanations]:
    """The simplest of the best formulas, with p-values from one null of all layers."""
    options = ij.Options(progress=progress)
    explanations = ij.explain(
        activations, concepts, min_fraction=MIN_FRACTION, holdout=HOLDOUT, key=KEY,
        options=options,
    )  # fmt: skip
    null = ij.null_distribution(
        concepts, explanations, num_draws=NUM_DRAWS, key=KEY, options=options
    )
    return {
        layer: each.simplest().with_null(null, alpha=ALPHA)
        for layer, each in explanations.items()
    }


def write(
    findings: Findings, images: Float[np.ndarray, "samples 8 8"], output: Path
) -> None:
    """Write what was explained and what was found, and one offline page of all."""
    explanations, concepts = findings.explanations, findings.concepts
    places = {each: str(output / f"{each}.npz") for each in ("activations", "concepts")}
    matrices: dict[str, Any] = {"ids": concepts.ids, **findings.activations}
    np.savez(places["activations"], **matrices)
    concepts.save(places["concepts"])
    record_places(explanations, str(output / "explanations"), **places)
    for layer, found in explanations.items():
        found.export(output / "labels" / f"{layer}.csv")
        found.export(output / "labels" / f"{layer}.json")
    ij.report(
        explanations, output / "report.html", activations=findings.activations,
        concepts=concepts, images=images, maps=findings.maps, progress=False,
        title="What the neurons of a network that reads digits respond to",
    )  # fmt: skip
