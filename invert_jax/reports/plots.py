"""Plots for notebooks. Each draws on `ax`, or on a new figure, and returns the axes.

Colors are those of Okabe and Ito, which color-blind readers tell apart; what differs
also differs in something else: a pattern, a marker or a line style.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from invert_jax.checks import check_whole
from invert_jax.concepts.table import Concepts
from invert_jax.core.ranking import host_mask_sum, rank_host
from invert_jax.explanations.axes import (
    BLUE,
    COLORS,
    GRAY,
    MARKERS,
    ORANGE,
    RED,
    axes_of,
    square_root,
)
from invert_jax.explanations.explanations import Explanations
from invert_jax.explanations.lookups import position_of
from invert_jax.explanations.null import Null
from invert_jax.explanations.record import CHANCE, LABELED
from invert_jax.explanations.same_run import check_same_score
from invert_jax.reports.behavior import formula_holds, values_of
from invert_jax.reports.material import checked_layers, named_layers
from invert_jax.reports.summary import summary_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_unit(
    explanations: Explanations,
    neuron: int,
    activations,
    concepts: Concepts,
    *,
    bins: int = 50,
    ax: "Axes | None" = None,
) -> "Axes":
    """Distribution of a neuron's activation where its formula holds and where not.

    Shares of the samples on each side, in equal bins, on a square-root scale.

    Args:
        explanations: Of one layer.
        neuron: Its index in the layer.
        activations: Those that were explained.
        concepts: Those it was explained by.
        bins: Number of bins.
        ax: Where to draw; a new figure if None.

    Raises:
        ValueError: The activations are of another run, or in another order.
    """
    ax = axes_of(ax)
    (layer,) = checked_layers(explanations, activations, concepts)
    position = position_of(explanations, neuron)
    values, holds = values_of(layer, position), formula_holds(layer, position)
    if explanations.formula(position) is not None:
        check_same_score(
            explanations, position, host_mask_sum(rank_host(values), holds)
        )
    edges = np.histogram_bin_edges(values, bins)
    for chosen, label, color, hatch in (
        (~holds, "the rest", BLUE, None),
        (holds, "formula holds", RED, "//"),
    ):
        if chosen.any():
            counts, _ = np.histogram(values[chosen], edges)
            ax.stairs(
                counts / chosen.sum(), edges, fill=True, alpha=0.5, color=color,
                hatch=hatch, label=label,
            )  # fmt: skip
    ax.set_yscale("function", functions=(square_root, np.square))
    formula = explanations.formula(position)
    name = explanations.neuron_names[position]
    if formula is None:
        ax.set_title(f"unit {name}: {explanations.status[position]}", parse_math=False)
    else:
        score = f"{explanations.score_name} {explanations.scores[position, 0]:.4f}"
        ax.set_title(f"unit {name}: {formula.to_words()}\n{score}", parse_math=False)
    ax.set_xlabel("activation")
    ax.set_ylabel("share of the samples")
    ax.legend()
    return ax


def plot_layer(
    explanations: Explanations, *, num_concepts: int = 20, ax: "Axes | None" = None
) -> "Axes":
    """Concepts by the number of labels that name them, as Network Dissection shows it.

    Args:
        explanations: Of one layer.
        num_concepts: Concepts to show, those of most labels.
        ax: Where to draw; a new figure if None.
    """
    check_whole("num_concepts", num_concepts, 1)
    ax = axes_of(ax)
    uses = summary_of(explanations).uses
    order = np.lexsort((-uses[:, 1], -uses[:, 0]))[:num_concepts]
    order = order[uses[order].sum(1) > 0]
    places = np.arange(len(order))
    plain, negated = uses[order].T
    ax.barh(places, plain, color=BLUE, label="named")
    ax.barh(
        places, negated, left=plain, color="none", edgecolor=BLUE, hatch="///",
        label="negated",
    )  # fmt: skip
    names = [explanations.concept_names[column] for column in order]
    ax.set_yticks(places, names, parse_math=False)
    ax.invert_yaxis()
    ax.set_xlabel("units")
    labeled = int((explanations.status == LABELED).sum())
    title = f"{labeled} of {len(explanations)} units labeled"
    layer = f"{explanations.layer}: " if explanations.layer else ""
    ax.set_title(layer + title, parse_math=False)
    ax.legend()
    return ax


def plot_tradeoff(
    explanations: Explanations | Mapping[str, Explanations],
    *,
    ax: "Axes | None" = None,
) -> "Axes":
    """Score against the most literals a formula may have: simplicity for precision.

    The mean over the labeled units, and their middle half; on held-out samples where
    there are any.

    Args:
        explanations: Of a layer, or a dict of layers.
        ax: Where to draw; a new figure if None.
    """
    ax = axes_of(ax)
    layers = named_layers(explanations)
    for at, (name, layer) in enumerate(layers.items()):
        summary = summary_of(layer)
        lengths = np.arange(1, layer.max_length + 1)
        color, marker = COLORS[at % len(COLORS)], MARKERS[at % len(MARKERS)]
        ax.plot(lengths, summary.mean_score, color=color, marker=marker, label=name)
        low, high = summary.quartiles[:, 0], summary.quartiles[:, 2]
        ax.fill_between(lengths, low, high, color=color, alpha=0.15)
        ax.set_xticks(lengths)
    ax.set_xlabel("most literals of a formula")
    score_names = dict.fromkeys(
        each.score_name if each.held_out is None else f"held-out {each.score_name}"
        for each in layers.values()
    )
    ax.set_ylabel(" or ".join(score_names))
    if isinstance(explanations, Mapping):
        ax.legend()
    return ax


def plot_null(
    null: Null,
    explanations: Explanations | None = None,
    *,
    length: int | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """Best scores of meaningless neurons, and those of the neurons beside them.

    One line per tie pattern, as the share of draws at or beyond a score: the p-value
    of that score after the search. The neurons are marked on the axis below.

    Args:
        null: From `null_distribution`.
        explanations: Of the neurons to mark.
        length: Most literals of a formula; all that were searched if None, and of the
            neurons their labels.
        ax: Where to draw; a new figure if None.
    """
    most = null.settings.max_length
    length = most if length is None else length
    if not 1 <= length <= most:
        raise ValueError(
            f"`length` must be in [1, {most}], the lengths drawn; got {length}."
        )
    ax = axes_of(ax)
    negative = null.settings.sign == "negative"
    scores = null.scores[:, :, length - 1]
    for row, drawn in enumerate(scores):
        found = np.sort(drawn[~np.isnan(drawn)])
        found = found if negative else found[::-1]
        reached = (1 + np.arange(1, len(found) + 1)) / (1 + len(drawn))
        ax.step(
            found,
            reached,
            where="post",
            color=GRAY,
            lw=1,
            label="meaningless units" if row == 0 else None,
        )
    if explanations is not None:
        step = explanations
        if length < step.max_length:
            step = step.at_length(length)
        is_chance = step.status == CHANCE
        for chosen, label, color, marker in (
            (is_chance, "chance", ORANGE, "x"),
            (~is_chance, "units", BLUE, "|"),
        ):
            best = step.scores[chosen, 0]
            if len(best):
                level = np.full(len(best), 0.5 / (1 + null.num_draws))
                ax.plot(best, level, marker, color=color, label=label)
    ax.set_yscale("log")
    ax.set_xlabel(f"{null.settings.how_to_score.name} of the best formula")
    ax.set_ylabel("share of meaningless units as good")
    ax.legend()
    return ax
