"""`explain`: a formula for each neuron. Checks, searches in blocks, assembles."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import overload

from numpy.typing import ArrayLike

from invert_jax.activations.array import Activations
from invert_jax.checks import check_whole
from invert_jax.concepts.synonyms import searched_columns
from invert_jax.concepts.table import Concepts
from invert_jax.core.randomness import Key
from invert_jax.engine.arguments import checked_layers, checked_neurons, checked_where
from invert_jax.engine.folders import output_folders
from invert_jax.engine.holdout_split import check_enough, split_samples
from invert_jax.engine.layer_search import Job
from invert_jax.explanations.explanations import Explanations
from invert_jax.explanations.on_disk import check_target
from invert_jax.explanations.panel import PRECISION_AT
from invert_jax.settings import (
    FEW_POSITIVES,
    Options,
    SearchSettings,
    checked_options,
    fraction_of_few,
)


class FewPositivesWarning(UserWarning):
    """Formulas may hold on so few samples that noise alone gives high scores."""


@overload
def explain(
    activations: Mapping[str, Activations | ArrayLike],
    concepts: Concepts,
    *,
    max_length: int = ...,
    beam_size: int = ...,
    min_fraction: float = ...,
    max_fraction: float = ...,
    sign: str = ...,
    num_literals: int | None = ...,
    objective: str = ...,
    where: ArrayLike | None = ...,
    neurons: ArrayLike | None = ...,
    holdout: float | None = ...,
    key: Key | None = ...,
    groups: ArrayLike | None = ...,
    panel: bool | None = ...,
    precision_at: int = ...,
    options: Options | None = ...,
) -> dict[str, Explanations]: ...


@overload
def explain(
    activations: Activations | ArrayLike,
    concepts: Concepts,
    *,
    max_length: int = ...,
    beam_size: int = ...,
    min_fraction: float = ...,
    max_fraction: float = ...,
    sign: str = ...,
    num_literals: int | None = ...,
    objective: str = ...,
    where: ArrayLike | None = ...,
    neurons: ArrayLike | None = ...,
    holdout: float | None = ...,
    key: Key | None = ...,
    groups: ArrayLike | None = ...,
    panel: bool | None = ...,
    precision_at: int = ...,
    options: Options | None = ...,
) -> Explanations: ...


def explain(
    activations: Activations | ArrayLike | Mapping[str, Activations | ArrayLike],
    concepts: Concepts,
    *,
    max_length: int = 3,
    beam_size: int = 5,
    min_fraction: float = 0.0,
    max_fraction: float = 0.5,
    sign: str = "positive",
    num_literals: int | None = None,
    objective: str = "auroc",
    where: ArrayLike | None = None,
    neurons: ArrayLike | None = None,
    holdout: float | None = None,
    key: Key | None = None,
    groups: ArrayLike | None = None,
    panel: bool | None = None,
    precision_at: int = PRECISION_AT,
    options: Options | None = None,
) -> Explanations | dict[str, Explanations]:
    """Find for each neuron the formulas that its activation detects best.

    A beam search over ((l1 o l2) o l3) ..., each l a concept or its negation, each o
    AND or OR, maximizes the AUROC with which the activation separates the samples where
    the formula holds from the rest [1]. Scores are exact. Candidates of equal score
    are ordered by fewer literals, larger support, then the order of the concepts; of
    formulas that hold on the same samples one is kept. Concepts that never or always
    hold are left out; of concepts that hold on the same samples the first is searched
    and the others are its synonyms.

    Args:
        activations: [samples, neurons], any real dtype of up to 64 bits, finite where
            it counts; or a dict of layers. `Activations` brings names and ids along.
        concepts: What is true of the same samples, in the same order.
        max_length: Most literals of a formula, 1 to 31.
        beam_size: Formulas kept per step.
        min_fraction: Smallest share of the samples where a formula may hold, in
            [0, 1], inclusive. With 0 a formula true of a single sample may win with a
            score of 1: ask for at least 20 samples.
        max_fraction: Largest such share, inclusive.
        sign: "negative" explains what a neuron is low for: rank 0 is then the formula
            of lowest AUROC.
        num_literals: Literals that may extend a formula, per neuron: both signs of the
            concepts of largest |2 AUROC - 1|; even; None for all.
        objective: What to maximize; "auroc".
        where: bool [samples]; samples that count. All if None.
        neurons: Indices of the neurons to explain. All if None.
        holdout: Share of the samples to keep out of the search and to judge what it
            found on, in (0, 1); None for none. The bounds apply to the others.
        key: Which samples those are, from `jax.random.key`, or a whole number.
        groups: [samples], whole numbers or strings; samples of one group, such as the
            frames of a video, stay on one side.
        panel: Whether to measure the labels by other metrics too, such as average
            precision, on the held-out samples where there are any; see
            `Explanations.panel`. None for where there are.
        precision_at: Of the panel: how many samples are the highest, at least 1.
        options: How to run; changes no result.

    Returns:
        The explanations, or for a dict of layers a dict of them.

    Raises:
        ValueError: If values or shapes are not as said above.
        TypeError: If a dtype is not.

    Warns:
        FewPositivesWarning: If a formula may hold on fewer than 20 samples.

    References:
        [1] Bykov et al., "Labeling Neural Representations with Inverse Recognition",
        NeurIPS 2023.

    >>> import numpy as np
    >>> masks = np.arange(300)[:, None] % [2, 3, 5] == 0
    >>> concepts = Concepts.from_masks(masks, ["even", "three", "five"])
    >>> activations = (masks[:, [1]] & ~masks[:, [0]]).astype(np.float32)
    >>> quiet = Options(progress=False)
    >>> explanations = explain(activations, concepts, min_fraction=0.1, options=quiet)
    >>> str(explanations.formulas[0][0]), explanations.scores[0, 0].item()
    ('~even & three', 1.0)
    """
    settings = SearchSettings(
        max_length, beam_size, min_fraction, max_fraction, sign, num_literals, objective
    )
    jobs = _jobs(
        activations, concepts, settings, where=where, neurons=neurons,
        holdout=holdout, key=key, groups=groups, panel=panel,
        precision_at=precision_at, options=options, places={},
    )  # fmt: skip
    _warn_of_few_positives(jobs)
    results = {name: job.explanations() for name, job in jobs.items()}
    return results if isinstance(activations, Mapping) else results[""]


def explain_from(
    places: Mapping[str, str],
    activations: Mapping[str, Activations] | Activations,
    concepts: Concepts,
    settings: SearchSettings,
    *,
    neurons: ArrayLike | None,
    holdout: float | None,
    key: Key | None,
    panel: bool | None = None,
    precision_at: int = PRECISION_AT,
    options: Options,
) -> dict[str, Explanations]:
    """What `explain` gives, by layer, with the places of its inputs in `sources`."""
    jobs = _jobs(
        activations, concepts, settings, where=None, neurons=neurons,
        holdout=holdout, key=key, groups=None, panel=panel,
        precision_at=precision_at, options=options, places=places,
    )  # fmt: skip
    _warn_of_few_positives(jobs)
    return {name: job.explanations() for name, job in jobs.items()}


def _jobs(
    activations: Mapping[str, Activations | ArrayLike] | Activations | ArrayLike,
    concepts: Concepts,
    settings: SearchSettings,
    *,
    where: ArrayLike | None,
    neurons: ArrayLike | None,
    holdout: float | None,
    key: Key | None,
    groups: ArrayLike | None,
    panel: bool | None,
    precision_at: int,
    options: Options | None,
    places: Mapping[str, str],
) -> dict[str, Job]:
    """What is to be done for each layer, once all that is given was checked."""
    options = checked_options(options)
    if not isinstance(concepts, Concepts):
        raise TypeError(
            f"`concepts` must be a Concepts table; got {type(concepts).__name__}. "
            "Make one with Concepts.from_masks(masks, names)."
        )
    if not isinstance(panel, bool | None):
        raise TypeError(f"`panel` must be True, False or None; got {panel!r}.")
    check_whole("precision_at", precision_at, 1)
    has_panel = holdout is not None if panel is None else panel
    if precision_at != PRECISION_AT and not has_panel:
        raise ValueError(
            "`precision_at` is of the panel, which is not measured; got "
            f"{precision_at}. Ask for it by panel=True or a `holdout`."
        )
    layers = checked_layers(activations, concepts)
    samples = checked_where(where, concepts.num_samples, concepts.ids)
    split = split_samples(concepts, samples, holdout=holdout, key=key, groups=groups)
    table = concepts if samples is None else concepts.take(samples)
    if split is not None:
        counted, samples = table, split.searched
        table = concepts.take(samples)
        check_enough(table, split, settings, counted)
    searched = searched_columns(table)
    folders: dict[str, Path] = {}
    if options.output is not None:
        folders = output_folders(options.output, activations)
        for folder in folders.values():
            check_target(folder)
    return {
        name: Job(
            layer, checked_neurons(neurons, layer.num_neurons), samples, table,
            searched, settings, options, folders.get(name), split,
            precision_at if has_panel else None, places,
        )
        for name, layer in layers.items()
    }  # fmt: skip


def _warn_of_few_positives(jobs: Mapping[str, Job]) -> None:
    """Say once that rare formulas win by chance, and how to be rid of them."""
    first = next(iter(jobs.values()))
    settings, num_samples = first.settings, first.concepts.num_samples
    smallest, largest = settings.bounds(num_samples)
    if smallest >= FEW_POSITIVES:
        return
    cure = f"min_fraction={fraction_of_few(num_samples)} asks for {FEW_POSITIVES}"
    if num_samples <= FEW_POSITIVES:
        cure = "more samples are the cure"
    elif largest < FEW_POSITIVES:
        cure += ", with a max_fraction that allows it"
    warnings.warn(
        f"a formula may hold on as few as {smallest} of the {num_samples} samples, "
        f"where noise alone gives high scores; {cure}.",
        FewPositivesWarning,
        stacklevel=3,
    )
