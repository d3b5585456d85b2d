"""Measuring labels by all metrics of the panel, in one pass over the activations."""

import dataclasses
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from numpy.typing import ArrayLike

from invert_jax.activations.array import Activations, as_activations
from invert_jax.activations.reading import read_blocks
from invert_jax.checks import check_whole
from invert_jax.concepts.formula_masks import FormulaMasks
from invert_jax.concepts.table import Concepts
from invert_jax.core import ranking
from invert_jax.core.statistics import delong, metrics
from invert_jax.explanations.panel import METRICS, PRECISION_AT, TOPS, Panel
from invert_jax.explanations.record import R, Record
from invert_jax.explanations.same_run import (
    check_same_activations,
    check_same_score,
    explained_table,
)
from invert_jax.progress import progress_bar
from invert_jax.sample_ids import check_same_samples

# Activations that are read at a time, and neurons at most.
BLOCK_NUMBERS, BLOCK = 4_000_000, 64
# A concept too rare to be searched is held against a label if it has so many samples.
FEWEST_SEARCHED, FEWEST_HELD_OUT = 20, 10
# A formula: literals and operators, as `Record.literals_at` has them.
Encoded = tuple[list[int], list[int]]


def with_panel(
    explanations: R,
    activations: Activations | ArrayLike,
    concepts: Concepts,
    *,
    precision_at: int,
    progress: bool,
) -> R:
    """The same with the panel of its labels; see `Explanations.with_panel`."""
    searched = explained_table(concepts, explanations, of="explanations")
    layer = as_activations(activations)
    check_same_activations(layer, explanations)
    check_same_samples(
        "`activations` and `concepts`",
        (layer.num_samples, concepts.num_samples),
        (layer.ids, concepts.ids),
        cure="concepts.align(activations.ids) reorders the concepts.",
    )
    held_out, samples = explanations.held_out, explanations.samples
    if samples is None or searched is concepts:
        samples = np.arange(searched.num_samples)
    if held_out is not None and searched is concepts:
        raise ValueError(
            "`activations` and `concepts` must have the held-out samples too; got the "
            f"{concepts.num_samples} that were searched."
        )
    judging = None
    if held_out is not None:
        judging = Samples(held_out.samples, concepts.take(held_out.samples))
    panel = panel_of(
        explanations.at_length(explanations.max_length),
        layer,
        Samples(samples, searched),
        judging,
        precision_at=precision_at,
        progress=progress,
    )
    if held_out is not None and not np.array_equal(
        panel.by_length("auroc"), held_out.scores_by_length, equal_nan=True
    ):
        raise ValueError(
            "`activations` must be those that were explained: on the held-out samples "
            "labels score otherwise than they did. These are activations of another "
            "run, or of samples in another order."
        )
    if explanations.label_lengths is not None:
        panel = panel.with_labels(explanations.label_lengths)
    return dataclasses.replace(explanations, panel=panel)


class Samples(NamedTuple):
    """Some samples, and what is true of them.

    Attributes:
        indices: Their rows among the activations.
        concepts: Of these samples.
    """

    indices: Int[np.ndarray, " samples"]
    concepts: Concepts


def panel_of(
    record: Record,
    layer: Activations,
    searched: Samples,
    held_out: Samples | None,
    *,
    precision_at: int = PRECISION_AT,
    progress: bool = False,
) -> Panel:
    """Measure the best formula of each neuron after each step.

    Args:
        record: What was found.
        layer: The activations.
        searched: The samples that chose the formulas.
        held_out: Those to judge on; None for the same.
        precision_at: How many samples are the highest.
        progress: Whether to show a bar.
    """
    check_whole("precision_at", precision_at, 1)
    judge = _Judge(record, searched, held_out, precision_at)
    num_steps, shape = record.literals.shape[1], (len(record), record.literals.shape[1])
    values = np.full((*shape, len(METRICS)), np.nan)
    rarer = np.full(shape, -1)

    def fill(position: int, activations: np.ndarray) -> None:
        if record.has_formula[position]:
            formulas = [
                record.literals_at(position, 0, step) for step in range(num_steps)
            ]
            values[position], rarer[position] = judge(position, activations, formulas)

    samples = np.concatenate([each.indices for each in (searched, held_out) if each])
    with (
        progress_bar(
            f"judge {layer.layer}".strip(), len(record), things="neurons", show=progress
        ) as advance,
        ThreadPoolExecutor(os.cpu_count()) as threads,
    ):
        size = max(1, min(BLOCK, BLOCK_NUMBERS // len(samples)))
        for start, block in read_blocks(layer, record.neurons, samples, size):
            rows = np.ascontiguousarray(block.T)
            list(threads.map(fill, range(start, start + len(rows)), rows))
            advance(len(rows))
    judged = searched if held_out is None else held_out
    num_samples = len(judged.indices)
    return Panel(values, rarer, int(precision_at), num_samples, held_out is not None)


class _Side:
    """One neuron on the samples of one side of the hold-out.

    Attributes:
        activations: Of these samples.
        masks: Where formulas hold on them.
        order: The samples, the top first.
    """

    def __init__(
        self,
        activations: Shaped[np.ndarray, " samples"],
        masks: FormulaMasks,
        *,
        lowest_first: bool,
    ):
        self.activations, self.masks = activations, masks
        self.order = metrics.order_of(activations, lowest_first=lowest_first)

    @cached_property
    def tops(self) -> list[int]:
        """How many samples each top has."""
        return [metrics.size_of_top(self.order, share) for share in TOPS]

    @cached_property
    def tie_sum(self) -> float:
        return metrics.tie_sum_of(self.order)

    @cached_property
    def ranks(self) -> ranking.HostRanks:
        return ranking.rank_host(self.activations)

    @cached_property
    def values(self) -> Float[np.ndarray, " samples"]:
        return self.activations.astype(np.float64)

    def holds(self, formula: Encoded) -> Bool[np.ndarray, " samples"]:
        """Where a formula holds."""
        return self.masks.of(*formula)[self.masks.row_of_sample]

    def places(self, mask: Bool[np.ndarray, " samples"]) -> metrics.Places:
        """Where the samples of a mask stand."""
        return metrics.places_of(self.order, np.flatnonzero(mask))


class _Rival(NamedTuple):
    """A concept that is too rare to be searched.

    Attributes:
        column: Of the concept.
        mask: Where it holds on the samples to judge on.
        score: Its score there.
    """

    column: int
    mask: Bool[np.ndarray, " samples"]
    score: float


class _Judge:
    """Measures the formulas of one neuron after another."""

    def __init__(
        self,
        record: Record,
        searched: Samples,
        held_out: Samples | None,
        precision_at: int,
    ):
        self.record = record
        self.is_low = record.settings.sign == "negative"
        self.precision_at = precision_at
        self.num_searched = len(searched.indices)
        self.searched = FormulaMasks(searched.concepts)
        self.held_out = None if held_out is None else FormulaMasks(held_out.concepts)
        self.rare = _too_rare(record, searched, held_out)
        self.rare_columns = self.searched.columns[:, self.rare].T.tocsr()
        self.rare_counts = searched.concepts.num_positives[self.rare]
        is_rare = np.zeros(self.searched.num_rows, bool)
        is_rare[self.rare_columns.indices] = True
        self.rare_samples = np.flatnonzero(is_rare[self.searched.row_of_sample])

    def __call__(
        self,
        position: int,
        activations: Shaped[np.ndarray, " samples"],
        formulas: Sequence[Encoded],
    ) -> tuple[Float[np.ndarray, "steps metrics"], Int[np.ndarray, " steps"]]:
        """The metrics of each formula, and a rarer concept that is better."""
        first, rest = np.split(activations, [self.num_searched])
        searched = judged = _Side(first, self.searched, lowest_first=self.is_low)
        if self.held_out is not None:
            judged = _Side(rest, self.held_out, lowest_first=self.is_low)
        rival = self._rival(searched, judged) if len(self.rare) else None
        values = np.empty((len(formulas), len(METRICS)))
        rarer = np.full(len(formulas), -1)
        for step, formula in enumerate(formulas):
            if step and formula == formulas[step - 1]:
                values[step], rarer[step] = values[step - 1], rarer[step - 1]
                continue
            chosen = searched.places(searched.holds(formula))
            if formula == formulas[-1]:
                check_same_score(self.record, position, self._rank_sum(chosen))
            threshold = chosen.keys[metrics.best_f1_place(chosen)]
            mask = judged.holds(formula)
            values[step] = self._measured(judged, mask, threshold)
            at = np.argmax(searched.order.keys == threshold)
            values[step, METRICS.index("f1_threshold")] = first[at]
            if rival is not None:
                is_better = self._is_better(judged, rival, mask, values[step, 0])
                rarer[step] = rival.column if is_better else -1
        return values, rarer

    def _measured(
        self,
        side: _Side,
        mask: Bool[np.ndarray, " samples"],
        threshold: np.unsignedinteger,
    ) -> list[float]:
        """All metrics of a formula, in their order.

        Args:
            side: The samples to judge on.
            mask: Where the formula holds.
            threshold: The key of F1's, whose value is left out.
        """
        places = side.places(mask)
        auroc = self._score(places)
        towards_top = 1 - auroc if self.is_low else auroc
        spearman = metrics.spearman(places, side.tie_sum)
        num_through = int(np.searchsorted(side.order.ordered, threshold, "right"))
        tops = [metrics.top_set(places, size) for size in side.tops]
        pearson, cosine, mad = metrics.moments(side.values, mask)
        return [
            auroc,
            metrics.average_precision(places),
            metrics.precision_at(places, self.precision_at),
            metrics.precision_at(places, len(places.keys)),
            pearson,
            -spearman if self.is_low else spearman,
            cosine,
            mad,
            metrics.top_set(places, num_through).f1,
            np.nan,
            *(top.iou for top in tops),
            *(top.balanced_accuracy for top in tops),
            *(top.other_way_auc for top in tops),
            *(metrics.harmonic_mean(towards_top, top.other_way_auc) for top in tops),
        ]

    def _rank_sum(self, places: metrics.Places) -> int:
        """Sum of the centered doubled midranks of the activations."""
        total = int(places.midranks.sum())
        return total if self.is_low else -total

    def _score(self, places: metrics.Places) -> float:
        """The score of the search."""
        score = self.record.settings.how_to_score.score
        total, count = np.array([self._rank_sum(places)]), np.array([len(places.keys)])
        return float(score(total, count, num_samples=places.num_samples)[0])

    def _rival(self, searched: _Side, judged: _Side) -> _Rival:
        """The concept too rare to be searched that fits best."""
        midranks = metrics.midranks_of(searched.order, self.rare_samples)
        rows = searched.masks.row_of_sample[self.rare_samples]
        # float64 adds them exactly: no partial sum reaches 2**53.
        sums = self.rare_columns @ np.bincount(rows, midranks, searched.masks.num_rows)
        scores = self.record.settings.how_to_score.score(
            (sums if self.is_low else -sums).astype(np.int64),
            self.rare_counts,
            num_samples=self.record.num_samples,
        )
        best = int(np.argmin(scores) if self.is_low else np.argmax(scores))
        column = int(self.rare[best])
        mask = judged.holds(([2 * column], []))
        return _Rival(column, mask, self._score(judged.places(mask)))

    def _is_better(
        self,
        side: _Side,
        rival: _Rival,
        mask: Bool[np.ndarray, " samples"],
        score: float,
    ) -> bool:
        """Whether it beats a formula on held-out samples, one-sided at 5 %."""
        better = score - rival.score if self.is_low else rival.score - score
        if not better > 0:
            return False
        bounds = delong.group_bounds(side.ranks.midranks)
        one, other = (
            delong.influences(each[side.ranks.order], *bounds)
            for each in (rival.mask, mask)
        )
        variance = np.square(one - other).sum()
        return bool(delong.is_above_zero(np.array([better]), np.array([variance]))[0])


def _too_rare(
    record: Record, searched: Samples, held_out: Samples | None
) -> Int[np.ndarray, " rare"]:
    """Columns of the concepts that no label can be, but that can be judged."""
    if held_out is None:
        return np.zeros(0, np.int64)
    smallest, _ = record.settings.bounds(record.num_samples)
    counts = searched.concepts.num_positives
    return np.flatnonzero(
        (counts >= FEWEST_SEARCHED)
        & (counts < smallest)
        & (held_out.concepts.num_positives >= FEWEST_HELD_OUT)
    )
