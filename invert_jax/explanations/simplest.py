"""`simplest`: the shortest formula that is as good, in place of the longest."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int

from invert_jax.checks import check_choice, check_fraction
from invert_jax.core.statistics import delong
from invert_jax.explanations.held_out import HeldOut
from invert_jax.explanations.panel import METRICS
from invert_jax.explanations.record import R, Record

# How much worse a shorter label may be, unless it is said otherwise.
TOLERANCE = 0.01
# Metrics by which a length may be chosen: larger is better, whatever the sign.
LARGER_IS_BETTER = tuple(
    name
    for name in METRICS
    if name not in ("pearson", "spearman", "cosine", "mad", "f1_threshold")
)
ARRAYS = ("literals", "operators", "lengths", "rank_sums", "supports")


def with_simplest(record: R, tolerance: float, metric: str) -> R:
    """The same with the simplest formula of each neuron as its label."""
    check_fraction("tolerance", tolerance)
    check_choice("metric", metric, LARGER_IS_BETTER)
    record = record.at_length(record.max_length)
    if metric == "auroc":
        return with_labels(record, shortest(record, tolerance))
    if record.panel is None:
        raise ValueError(
            f"`metric` {metric!r} needs the panel: explain(..., panel=True), or "
            "explanations.with_panel(activations, concepts)."
        )
    values = record.panel.by_length(metric)
    return with_labels(record, shortest_by(values, tolerance))


def shortest(record: Record, tolerance: float) -> Int[np.ndarray, " neurons"]:
    """The least length at which the best formula is as good as at the full one.

    On held-out samples as good is within the tolerance, or not shown to be worse by a
    paired test, one-sided at 5 %; without them, and where these have no score, within
    the tolerance of the score that was searched for.

    Args:
        record: As it was searched.
        tolerance: How much worse a score may be.
    """
    is_as_good = _worse(record.scores_by_length, record) <= tolerance
    held_out = record.held_out
    if held_out is not None:
        scores = held_out.scores_by_length
        worse = _worse(scores, record)
        variances = held_out.differences[:, -1, 0]
        is_shown = delong.is_above_zero(worse, variances)
        judged = (worse <= tolerance) | ((variances > 0) & ~is_shown)
        judged &= ~np.isnan(worse)
        is_as_good = np.where(_is_judged(held_out)[:, None], judged, is_as_good)
    # The full length is as good as itself, whatever it is.
    is_as_good[:, -1] = True
    return 1 + np.argmax(is_as_good, axis=1)


def shortest_by(
    values: Float[np.ndarray, "neurons lengths"], tolerance: float
) -> Int[np.ndarray, " neurons"]:
    """The least length whose metric is within the tolerance of the largest.

    Where the metric is not defined at any length it is the full one.

    >>> shortest_by(np.array([[0.5, 0.6, 0.605], [np.nan, np.nan, np.nan]]), 0.01)
    array([2, 3])
    """
    defined = np.where(np.isnan(values), -np.inf, values)
    is_as_good = defined >= defined.max(1, keepdims=True) - tolerance
    is_as_good[np.isnan(values).all(1), :-1] = False
    return 1 + np.argmax(is_as_good, axis=1)


def with_labels(record: R, lengths: Int[np.ndarray, " neurons"]) -> R:
    """The same with the best formula after some step as the label of each neuron.

    The others of the last beam follow, in their order.

    Args:
        record: As it was searched.
        lengths: The step of each neuron, from 1.

    Raises:
        ValueError: There is a null, and some of the neurons it was for are not here.
    """
    steps, ranks = _slots(record, lengths)
    slots = np.arange(len(record))[:, None], steps, ranks
    arrays = {name: getattr(record, name) for name in ARRAYS}
    arrays = {
        name: np.append(array, array[slots][:, None], 1)
        for name, array in arrays.items()
    }
    null = record.significance
    return dataclasses.replace(
        record,
        **arrays,
        held_out=record.held_out and record.held_out.with_labels(lengths, steps, ranks),
        panel=record.panel and record.panel.with_labels(lengths),
        significance=null and null.with_labels(tested_lengths(record, lengths)),
        label_lengths=lengths,
    )


def tested_lengths(
    record: Record, lengths: Int[np.ndarray, " neurons"]
) -> Int[np.ndarray, " neurons"]:
    """The step of the null that each label is held against.

    Its own if held-out samples chose it; else the last, since the same samples did.
    """
    full = np.full_like(lengths, record.max_length)
    if record.held_out is None:
        return full
    return np.where(_is_judged(record.held_out), lengths, full)


def _slots(
    record: Record, lengths: Int[np.ndarray, " neurons"]
) -> tuple[Int[np.ndarray, "neurons beam"], Int[np.ndarray, "neurons beam"]]:
    """Where each formula shown comes from: the index of its step, and its rank."""
    num_steps, beam = record.max_length, record.beam_size
    at = np.arange(len(record)), lengths - 1
    is_label = (
        (record.literals[:, -1] == record.literals[at][:, :1]).all(-1)
        & (record.operators[:, -1] == record.operators[at][:, :1])
        & (record.lengths[:, -1] == record.lengths[at][:, :1])
    )
    # The label first; what does not fit any more is last.
    order = np.argsort(~is_label, axis=1, kind="stable")
    is_new = ~is_label.any(1)
    ranks = np.where(is_new[:, None], np.arange(beam) - 1, order)
    steps = np.full((len(record), beam), num_steps - 1)
    steps[is_new, 0] = lengths[is_new] - 1
    ranks[is_new, 0] = 0
    return steps, ranks


def _is_judged(held_out: HeldOut) -> Bool[np.ndarray, " neurons"]:
    """Whether the held-out samples tell the lengths of a label apart."""
    return ~np.isnan(held_out.scores_by_length[:, -1])


def _worse(
    scores: Float[np.ndarray, "neurons lengths"], record: Record
) -> Float[np.ndarray, "neurons lengths"]:
    """How much worse each length is than the full one."""
    worse = scores[:, -1:] - scores
    return -worse if record.settings.sign == "negative" else worse
