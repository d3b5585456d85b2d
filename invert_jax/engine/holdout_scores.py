"""Judging formulas on samples that had no part in the search, and their literals."""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from invert_jax.activations.array import Activations
from invert_jax.activations.reading import read_blocks
from invert_jax.concepts.formula_masks import FormulaMasks
from invert_jax.concepts.table import Concepts
from invert_jax.core import ranking
from invert_jax.core.statistics import delong
from invert_jax.engine.arguments import checked_layers
from invert_jax.engine.holdout_split import Split
from invert_jax.explanations.explanations import Explanations
from invert_jax.explanations.held_out import HeldOut
from invert_jax.explanations.same_run import (
    check_same_activations,
    check_same_score,
    explained_table,
)

# Neurons whose held-out activations are read at a time.
BLOCK = 64


def held_out_scores(
    explanations: Explanations, layer: Activations, split: Split
) -> HeldOut:
    """Judge all formulas of a layer on the samples to report on.

    Args:
        explanations: Searched on the other samples.
        layer: Activations of all samples.
        split: The samples, and their concepts.
    """
    masks = FormulaMasks(split.concepts)
    shape = explanations.lengths.shape
    length = explanations.literals.shape[3]
    result = HeldOut(
        samples=split.reported,
        sums=np.zeros(shape, np.int64),
        supports=np.zeros(shape, np.int64),
        variances=np.full(shape, np.nan),
        differences=np.full((*shape, shape[1]), np.nan),
        tie_sums=np.zeros(shape[0]),
        num_active=np.zeros(shape[0], np.int64),
        sums_without=np.zeros((shape[0], shape[1], length), np.int64),
        supports_without=np.zeros((shape[0], shape[1], length), np.int64),
        sign=explanations.settings.sign,
    )

    def judge(position: int, activations: np.ndarray) -> None:
        ranks = ranking.rank_host(activations)
        result.tie_sums[position] = ranks.tie_sum
        # The lowest rank of N samples is that of a group of c + N.
        result.num_active[position] = -int(ranks.midranks[0])
        _judge_formulas(result, explanations, position, ranks, masks)
        row_sums = masks.row_sums(ranks)
        for step in range(explanations.max_length):
            slot = position, step
            result.sums_without[slot], result.supports_without[slot] = (
                masks.sums_without(
                    explanations.literals_at(position, 0, step), row_sums, length=length
                )
            )

    neurons = explanations.neurons
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for start, block in read_blocks(layer, neurons, split.reported, BLOCK):
            values = np.ascontiguousarray(block.T)
            list(threads.map(judge, range(start, start + len(values)), values))
    return result


def scores_without(
    explanations: Explanations,
    activations: Activations | ArrayLike,
    concepts: Concepts,
) -> Float[np.ndarray, "neurons length"]:
    """Score of each neuron's best formula without each of its literals.

    What a literal is worth is the score minus this. ((l1 o l2) o l3) without a literal
    keeps the order of the others; l1 takes the first operator along, another the one
    before it. The samples are those that were searched.

    Args:
        explanations: Of one layer.
        activations: [samples, neurons] of that layer.
        concepts: Those it was explained by, of the same samples as the activations:
            all, or those that were searched.

    Returns:
        AUROC; nan past the length of a formula, if it has but one literal, and if what
        is left always or never holds.

    >>> import invert_jax as ij
    >>> masks = np.arange(300)[:, None] % [2, 3, 5] == 0
    >>> concepts = Concepts.from_masks(masks, ["even", "three", "five"])
    >>> activations = (masks[:, [1]] & ~masks[:, [0]]).astype(np.float32)
    >>> quiet = ij.Options(progress=False)
    >>> labels = ij.explain(
    ...     activations, concepts, max_length=2, min_fraction=0.1, options=quiet)
    >>> str(labels.formulas[0][0])
    '~even & three'
    >>> scores_without(labels, activations, concepts).round(3).tolist()
    [[0.75, 0.667]]
    """
    table = explained_table(concepts, explanations, of="explanations")
    if isinstance(activations, Mapping):
        raise TypeError(
            "`activations` must be of one layer, that of the explanations; got a dict. "
            "Ask for each layer: scores_without(found[name], activations[name], ...)."
        )
    layer = checked_layers(activations, concepts)[""]
    check_same_activations(layer, explanations)
    # A table of the searched samples alone comes with their activations.
    samples = None if table is concepts else explanations.samples
    masks = FormulaMasks(table)
    shape = (len(explanations), explanations.max_length)
    sums, supports = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for start, block in read_blocks(layer, explanations.neurons, samples, BLOCK):
        for position, values in enumerate(np.ascontiguousarray(block.T), start):
            row_sums = masks.row_sums(ranking.rank_host(values))
            formula = explanations.literals_at(position)
            holds = masks.of(*formula) if formula[0] else np.zeros(len(row_sums), bool)
            check_same_score(explanations, position, int(row_sums[holds].sum()))
            sums[position], supports[position] = masks.sums_without(
                formula, row_sums, length=explanations.max_length
            )
    score = explanations.settings.how_to_score.score
    return score(sums, supports, num_samples=table.num_samples)


def _judge_formulas(
    result: HeldOut,
    explanations: Explanations,
    position: int,
    ranks: ranking.HostRanks,
    masks: FormulaMasks,
) -> None:
    """Sums, variances and paired differences of all formulas of one neuron."""
    below, end = delong.group_bounds(ranks.midranks)
    rows = masks.row_of_sample[ranks.order]
    best: list[np.ndarray] = []
    for step in range(explanations.max_length):
        for rank in range(explanations.beam_size):
            formula = explanations.literals_at(position, rank, step)
            if not formula[0]:
                break
            mask = masks.of(*formula)[rows]
            influence = delong.influences(mask, below, end)
            if rank == 0:
                best.append(influence)
            slot = position, step, rank
            result.sums[slot] = ranks.midranks[mask].sum(dtype=np.int64)
            result.supports[slot] = mask.sum()
            # Not by `@`, whose threads wait for each other in these threads.
            result.variances[slot] = np.square(influence).sum()
            for earlier, other in enumerate(best):
                difference = np.square(influence - other).sum()
                result.differences[(*slot, earlier)] = difference
