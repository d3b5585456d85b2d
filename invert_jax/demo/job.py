"""The main job from start to end, on real data: `invert-jax demo`.

Train a network, watch its layers on images it has not seen, say what is true of those
images, explain every neuron on half of them, judge the answers on the other half and
against neurons without a meaning, check those that are known, write it all down.
"""

import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float, Shaped
from rich.console import Console

from invert_jax.activations import Activations, batched, collect
from invert_jax.concepts.table import Concepts
from invert_jax.demo import digits, files, network, screen
from invert_jax.demo.digits import Digits
from invert_jax.demo.labels import Label, best_first, labels_of
from invert_jax.demo.self_check import (
    Check,
    check_accuracy,
    check_own_digits,
    check_scores,
    check_shuffled,
)
from invert_jax.engine.explaining import explain
from invert_jax.engine.null_distribution import null_distribution
from invert_jax.explanations.explanations import Explanations
from invert_jax.reports.page import report
from invert_jax.settings import Options

T = TypeVar("T")

BATCH_SIZE = 128
MAX_LENGTH = 3
BEAM_SIZE = 5
MIN_FRACTION = 0.05
HOLDOUT = 0.5
NUM_DRAWS = 999
ALPHA = 0.05
KEY = 0
QUIET = Options(progress=False)


class Findings(NamedTuple):
    """What the demo found.

    Attributes:
        activations: Of each layer, on the held-out images.
        concepts: What is true of those images.
        explanations: Of each layer, with held-out scores and p-values.
        checks: What was checked where the truth is known.
        maps: Where on the images the units of the convolutional layer fire.
    """

    activations: Mapping[str, Activations]
    concepts: Concepts
    explanations: Mapping[str, Explanations]
    checks: tuple[Check, ...]
    maps: Mapping[str, Float[np.ndarray, "samples rows columns neurons"]]

    @property
    def labels(self) -> dict[str, list[Label]]:
        """The best formula of each neuron, by layer."""
        return {
            layer: labels_of(found, layer) for layer, found in self.explanations.items()
        }

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
        progress: Show what is being done, and how far it is.

    Raises:
        ImportError: scikit-learn, the extra `demo`, is not installed.
        ValueError: There is a file where the folder should be.
    """
    train, held_out = digits.halves(digits.load())
    console, output = Console(highlight=False), Path(output)
    if output.exists() and not output.is_dir():
        raise ValueError(f"`output` must be a folder; got the file {str(output)!r}.")
    output.mkdir(parents=True, exist_ok=True)
    screen.show_introduction(console)
    with screen.Steps(console, visible=progress) as steps:
        findings = find(train, held_out, steps)
        with steps.step("Write the results"):
            write(findings, output)
        with steps.step("Write the page"):
            write_page(findings, held_out, output)
    show(findings, console)
    screen.show_next(console, output, MIN_FRACTION)
    return findings


def find(train: Digits, held_out: Digits, steps: screen.Steps) -> Findings:
    """Train on one half, explain and check on the other."""
    with steps.step("Train a network on one half", network.NUM_EPOCHS) as advance:
        variables = network.train(train, on_epoch=lambda epoch: advance())
    with steps.step("Watch three layers on the other half"):
        activations = collected(variables, held_out)
        maps = {"parts": maps_of(variables, held_out, "parts")}
    with steps.step("Say what is true of each image"):
        concepts = digits.concepts_of(held_out)
    with steps.step("Explain every unit", len(activations)) as advance:
        explanations = by_layer(
            partial(explained, concepts=concepts), activations, advance
        )
    with steps.step("Explain units without a meaning"):
        shuffled = explained_shuffled(activations, concepts)
        explanations, shuffled = with_p_values(explanations, shuffled, concepts)
    with steps.step("Check what is known"):
        checked = (
            check_accuracy(network.accuracy(variables, held_out), len(held_out.labels)),
            check_own_digits(explanations["logits"]),
            check_scores(explanations, activations, concepts),
            check_shuffled(shuffled, alpha=ALPHA),
        )
    return Findings(activations, concepts, explanations, checked, maps)


def collected(
    variables: network.Variables, held_out: Digits
) -> Mapping[str, Activations]:
    """Activations of the job's layers, feature maps by their mean."""
    return collect(
        network.DigitNetwork(),
        batched(held_out.images, BATCH_SIZE, ids=held_out.ids),
        variables=variables,
        layers=network.LAYERS,
        pool="mean",
        progress=False,
    )


def maps_of(
    variables: network.Variables, held_out: Digits, layer: str
) -> Float[np.ndarray, "samples rows columns neurons"]:
    """Feature maps of a layer that has as many rows and columns as the images."""
    flat = collect(
        network.DigitNetwork(),
        batched(held_out.images, BATCH_SIZE, ids=held_out.ids),
        variables=variables,
        layers=layer,
        pool="flatten",
        progress=False,
    )[layer]
    return np.asarray(flat).reshape(*held_out.images.shape, -1)


def explained(
    activations: Activations | Shaped[np.ndarray, "samples neurons"], concepts: Concepts
) -> Explanations:
    """The best formulas of each neuron, with the settings of the job."""
    return explain(
        activations,
        concepts,
        max_length=MAX_LENGTH,
        beam_size=BEAM_SIZE,
        min_fraction=MIN_FRACTION,
        holdout=HOLDOUT,
        key=KEY,
        options=QUIET,
    )


def explained_shuffled(
    activations: Mapping[str, Activations], concepts: Concepts
) -> dict[str, Explanations]:
    """The same of neurons whose values are shuffled over the images.

    A shuffled neuron is silent as often as before, and all that made it high on one
    image rather than another is gone: no formula is right.
    """
    rng = np.random.default_rng(KEY)
    return {
        layer: explained(rng.permuted(np.asarray(values), axis=0), concepts)
        for layer, values in activations.items()
    }


def with_p_values(
    explanations: Mapping[str, Explanations],
    shuffled: Mapping[str, Explanations],
    concepts: Concepts,
) -> list[dict[str, Explanations]]:
    """Both with p-values from one null, which has the ties of both."""
    like = dict(explanations) | {f"shuffled {key}": shuffled[key] for key in shuffled}
    null = null_distribution(
        concepts, like, num_draws=NUM_DRAWS, key=KEY, options=QUIET
    )
    return [
        {layer: found.with_null(null, alpha=ALPHA) for layer, found in part.items()}
        for part in (explanations, shuffled)
    ]


def by_layer(
    function: Callable[[Activations], T],
    activations: Mapping[str, Activations],
    advance: Callable[[], None],
) -> dict[str, T]:
    """The function of each layer's activations, one layer after the other."""
    results = {}
    for layer, values in activations.items():
        results[layer] = function(values)
        advance()
    return results


def show(
    findings: Findings, console: Console, *, num_shown: int = screen.NUM_SHOWN
) -> None:
    """Print the labels, from the logits down, and what was checked."""
    for layer in reversed(network.LAYERS):
        screen.show_layer(
            console,
            layer,
            findings.labels[layer],
            num_shown=num_shown,
        )
    example = best_first(findings.labels["hidden"])[0]
    screen.show_legend(console, example, alpha=ALPHA)
    screen.show_checks(console, findings.checks)


def write_page(findings: Findings, held_out: Digits, output: Path) -> None:
    """Write one offline page with all labels and the images they are about."""
    report(
        findings.explanations,
        output / "report.html",
        activations=findings.activations,
        concepts=findings.concepts,
        images=held_out.images,
        maps=findings.maps,
        title="What the units of a network that reads digits respond to",
    )


def write(findings: Findings, output: Path) -> None:
    """Write what was explained, what was found, and what was checked."""
    files.write_inputs(findings.activations, findings.concepts, output)
    files.write_explanations(findings.explanations, output)
    files.write_labels(chain.from_iterable(findings.labels.values()), output)
    files.write_checks(findings.checks, output)
    with (output / "labels.txt").open("w", encoding="utf-8") as file:
        show(findings, Console(file=file, width=100), num_shown=sys.maxsize)
