"""How each neuron behaves on the samples where its formula holds, and on the rest.

One sort per neuron gives all: the samples on which it is highest and lowest, the
distribution of its activation inside and outside the support, the ROC curve, and the
score of the formula without each of its literals.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped, UInt8, UInt16
from scipy import special

from invert_jax.activations.reading import read_block, read_blocks
from invert_jax.concepts.formula_masks import FormulaMasks
from invert_jax.concepts.table import Concepts
from invert_jax.core.ranking import HostRanks, host_mask_sum, rank_host
from invert_jax.explanations.same_run import check_same_score, check_same_ties
from invert_jax.reports.material import LayerInputs

NUM_TOP, NUM_BOTTOM = 12, 6
# Samples where the formula holds, from the highest to the lowest, and the lowest ones.
NUM_POSITIVES, NUM_MISSES = 6, 6
# How many highest samples are looked at for what they have in common, and how many
# concepts of theirs are listed at most.
NUM_HIGHEST, NUM_CONCEPTS = 20, 8
# A concept that chance makes as frequent there with a larger p-value is not listed.
MOST_CHANCE = 0.01
NUM_BINS = 40
# Where the ROC curve is drawn: dense near 0, where a rare concept is told apart.
FALSE_POSITIVE_RATES = (np.arange(49) / 48) ** 2
BLOCK_NUMBERS = 4_000_000


class Behavior(NamedTuple):
    """What the activations of the neurons of a layer say, one row per neuron.

    A row of a neuron without a formula has everything outside its support.

    Attributes:
        low: Smallest activation.
        high: Largest activation.
        num_lowest: Samples that share the smallest one.
        inside: Share of the support in each bin from low to high, in 1/65535.
        outside: Share of the other samples in each bin.
        true_positive_rates: At `FALSE_POSITIVE_RATES`, in 1/255.
        top: Samples of the largest activations, as positions, the largest first; -1
            past the last, which is above the smallest activation. For sign "negative"
            those of the smallest.
        top_values: Their activations.
        top_inside: Whether the formula holds on them.
        bottom: Fewer samples of the other end.
        bottom_values: Their activations.
        bottom_inside: Whether the formula holds on them.
        positives: Samples where the formula holds, at even steps of their ranks, the
            highest first; -1 past the last.
        positives_values: Their activations.
        misses: The lowest of these that are not above the median of the other samples
            (for sign "negative" the highest, not below it).
        misses_values: Their activations.
        num_highest: The highest samples that `concepts` are true of, at most 20.
        concepts: Columns of the concepts that are true of more of these than chance
            explains (binomial p at most .01), the most telling first; -1 past the last.
        concept_hits: On how many of these samples each is true, expected over the
            order of tied samples.
        without: Score of the best formula without each literal; nan where it has but
            one, or what is left holds always or never.
    """

    low: Float[np.ndarray, " neurons"]
    high: Float[np.ndarray, " neurons"]
    num_lowest: Int[np.ndarray, " neurons"]
    inside: UInt16[np.ndarray, "neurons bins"]
    outside: UInt16[np.ndarray, "neurons bins"]
    true_positive_rates: UInt8[np.ndarray, "neurons points"]
    top: Int[np.ndarray, "neurons tops"]
    top_values: Float[np.ndarray, "neurons tops"]
    top_inside: Bool[np.ndarray, "neurons tops"]
    bottom: Int[np.ndarray, "neurons bottoms"]
    bottom_values: Float[np.ndarray, "neurons bottoms"]
    bottom_inside: Bool[np.ndarray, "neurons bottoms"]
    positives: Int[np.ndarray, "neurons positives"]
    positives_values: Float[np.ndarray, "neurons positives"]
    misses: Int[np.ndarray, "neurons misses"]
    misses_values: Float[np.ndarray, "neurons misses"]
    num_highest: Int[np.ndarray, " neurons"]
    concepts: Int[np.ndarray, "neurons shown"]
    concept_hits: Float[np.ndarray, "neurons shown"]
    without: Float[np.ndarray, "neurons length"]


def behavior_of(layer: LayerInputs, *, advance=lambda count: None) -> Behavior | None:
    """The behavior of all neurons of a layer; None without activations.

    Args:
        layer: The layer; without concepts nothing is inside a support.
        advance: Told how many neurons are done.
    """
    if layer.activations is None:
        return None
    explanations, activations = layer.explanations, layer.activations
    result = empty_behavior(explanations.num_neurons, explanations.max_length)
    masks = None if layer.concepts is None else FormulaMasks(layer.concepts)
    size = max(1, BLOCK_NUMBERS // max(1, activations.num_samples))
    blocks = read_blocks(activations, explanations.neurons, _to_read(layer), size)
    with ThreadPoolExecutor() as threads:
        for start, block in blocks:
            ranks = threads.map(rank_host, block.T)
            for place, ranked in enumerate(ranks):
                values = block[:, place]
                _fill(result, start + place, values, ranked, layer, masks)
            advance(block.shape[1])
    return result


def values_of(layer: LayerInputs, position: int) -> Float[np.ndarray, " samples"]:
    """Activation of one neuron on the samples that counted."""
    assert layer.activations is not None
    neuron = layer.explanations.neurons[position : position + 1]
    block = read_block(layer.activations, neuron, _to_read(layer))
    return block[:, 0].astype(np.float64)


def formula_holds(layer: LayerInputs, position: int) -> Bool[np.ndarray, " samples"]:
    """Where the best formula of a neuron holds; nowhere without one."""
    assert layer.concepts is not None
    formula = layer.explanations.formula(position)
    if formula is None:
        return np.zeros(layer.explanations.num_samples, bool)
    return formula.evaluate(layer.concepts)


def empty_behavior(num_neurons: int, max_length: int) -> Behavior:
    """Room for the behavior of some neurons."""
    tops, bottoms = (num_neurons, NUM_TOP), (num_neurons, NUM_BOTTOM)
    positives, misses = (num_neurons, NUM_POSITIVES), (num_neurons, NUM_MISSES)
    shown = (num_neurons, NUM_CONCEPTS)
    return Behavior(
        low=np.zeros(num_neurons),
        high=np.zeros(num_neurons),
        num_lowest=np.zeros(num_neurons, np.int64),
        inside=np.zeros((num_neurons, NUM_BINS), np.uint16),
        outside=np.zeros((num_neurons, NUM_BINS), np.uint16),
        true_positive_rates=np.zeros(
            (num_neurons, len(FALSE_POSITIVE_RATES)), np.uint8
        ),
        top=np.full(tops, -1),
        top_values=np.zeros(tops),
        top_inside=np.zeros(tops, bool),
        bottom=np.full(bottoms, -1),
        bottom_values=np.zeros(bottoms),
        bottom_inside=np.zeros(bottoms, bool),
        positives=np.full(positives, -1),
        positives_values=np.zeros(positives),
        misses=np.full(misses, -1),
        misses_values=np.zeros(misses),
        num_highest=np.zeros(num_neurons, np.int64),
        concepts=np.full(shown, -1),
        concept_hits=np.zeros(shown),
        without=np.full((num_neurons, max_length), np.nan),
    )


def _to_read(layer: LayerInputs) -> Int[np.ndarray, " samples"] | None:
    """The samples that counted; None if all did, which needs no copy."""
    assert layer.activations is not None
    everything = len(layer.samples) == layer.activations.num_samples
    return None if everything else layer.samples


def _fill(
    result: Behavior,
    position: int,
    values: Shaped[np.ndarray, " samples"],
    ranks: HostRanks,
    layer: LayerInputs,
    masks: FormulaMasks | None,
) -> None:
    """Write the row of one neuron."""
    numbers = values.astype(np.float64)
    inside = np.zeros(len(values), bool)
    check_same_ties(layer.explanations, position, ranks.tie_sum)
    if masks is not None and layer.explanations.has_formula[position]:
        formula = layer.explanations.literals_at(position)
        inside = masks.of(*formula)[masks.row_of_sample]
        check_same_score(layer.explanations, position, host_mask_sum(ranks, inside))
        left = masks.sums_without(
            formula, masks.row_sums(ranks), length=layer.explanations.max_length
        )
        result.without[position] = layer.explanations.settings.how_to_score.score(
            *left, num_samples=layer.explanations.num_samples
        )
    _fill_distribution(result, position, numbers, ranks, inside)
    is_negative = layer.explanations.settings.sign == "negative"
    _fill_samples(result, position, numbers, ranks, inside, is_negative)
    falling = ranks.order if is_negative else ranks.order[::-1]
    _fill_support(result, position, numbers, falling, inside[falling])
    if layer.concepts is not None:
        _fill_concepts(result, position, numbers, falling, layer.concepts)


def _fill_distribution(
    result: Behavior,
    position: int,
    numbers: Float[np.ndarray, " samples"],
    ranks: HostRanks,
    inside: Bool[np.ndarray, " samples"],
) -> None:
    """Where the activations of one neuron lie inside and outside the support."""
    ordered = numbers[ranks.order]
    low, high = ordered[[0, -1]].tolist()
    result.low[position], result.high[position] = low, high
    result.num_lowest[position] = np.searchsorted(ordered, low, "right")
    result.inside[position] = shares(numbers[inside], (low, high))
    result.outside[position] = shares(numbers[~inside], (low, high))
    rates = roc(ordered[::-1], inside[ranks.order[::-1]])
    result.true_positive_rates[position] = np.rint(255 * rates)


def _fill_samples(
    result: Behavior,
    position: int,
    numbers: Float[np.ndarray, " samples"],
    ranks: HostRanks,
    inside: Bool[np.ndarray, " samples"],
    is_negative: bool,
) -> None:
    """The samples of one neuron's largest and smallest activations."""
    num_lowest, ordered = int(result.num_lowest[position]), numbers[ranks.order]
    num_low, num_high = (NUM_TOP, NUM_BOTTOM) if is_negative else (NUM_BOTTOM, NUM_TOP)
    low = lowest(ranks, num_lowest, count=num_low)
    high = highest(ranks, ordered, count=num_high)
    top, bottom = (low, high) if is_negative else (high, low)
    # A unit that is silent on the rest is not high on some of them.
    top = top[numbers[top] != numbers[bottom[0]]]
    for chosen, samples, values, is_inside in (
        (top, result.top, result.top_values, result.top_inside),
        (bottom, result.bottom, result.bottom_values, result.bottom_inside),
    ):
        samples[position, : len(chosen)] = chosen
        values[position, : len(chosen)] = numbers[chosen]
        is_inside[position, : len(chosen)] = inside[chosen]


def _fill_support(
    result: Behavior,
    position: int,
    numbers: Float[np.ndarray, " samples"],
    falling: Int[np.ndarray, " samples"],
    inside: Bool[np.ndarray, " samples"],
) -> None:
    """Samples where the formula of one neuron holds.

    Args:
        result: Of which a row is written.
        position: Of the neuron.
        numbers: Its activations.
        falling: The samples, the top first.
        inside: Whether the formula holds, in that order.
    """
    holds = falling[inside]
    if not len(holds):
        return
    places = np.linspace(0, len(holds) - 1, min(NUM_POSITIVES, len(holds)))
    # The median of the others: what lies before it is high.
    rest = falling[~inside]
    middle = numbers[rest[(len(rest) - 1) // 2]]
    lowest_ones = holds[::-1][:NUM_MISSES]
    sign = 1 if numbers[falling[0]] >= numbers[falling[-1]] else -1
    is_low = sign * numbers[lowest_ones] <= sign * middle
    for chosen, samples, values in (
        (holds[places.astype(np.int64)], result.positives, result.positives_values),
        (lowest_ones[is_low], result.misses, result.misses_values),
    ):
        samples[position, : len(chosen)] = chosen
        values[position, : len(chosen)] = numbers[chosen]


def _fill_concepts(
    result: Behavior,
    position: int,
    numbers: Float[np.ndarray, " samples"],
    falling: Int[np.ndarray, " samples"],
    concepts: Concepts,
) -> None:
    """What is true of the highest samples of one neuron, beyond what is usual."""
    cut = numbers[falling[:NUM_HIGHEST][-1]]
    is_tied = numbers == cut
    sure = falling[:NUM_HIGHEST]
    sure = sure[numbers[sure] != cut]
    weights = np.zeros(concepts.num_rows)
    row_of_sample = np.asarray(concepts.row_of_sample)
    np.add.at(weights, row_of_sample[sure], 1)
    count = len(sure)
    # A unit that is silent on the rest is not high on some of them.
    if cut != numbers[falling[-1]]:
        count = min(NUM_HIGHEST, len(numbers))
        share = (count - len(sure)) / is_tied.sum()
        np.add.at(weights, row_of_sample[is_tied], share)
    result.num_highest[position] = count
    rows = np.flatnonzero(weights)
    hits = concepts.rows[rows].T @ weights[rows]
    # Of a single sample everything is surprising.
    columns = np.flatnonzero(hits > 1)
    hits, usual = hits[columns], concepts.num_positives[columns] / concepts.num_samples
    surprise = hits * np.log(hits / count / usual)
    # Of tied samples a part is expected; a test needs whole ones.
    p = special.bdtrc(np.floor(hits + 1e-9) - 1, count, usual)
    best = np.argsort(-surprise, kind="stable")
    best = best[(surprise[best] > 0) & (p[best] <= MOST_CHANCE)][:NUM_CONCEPTS]
    result.concepts[position, : len(best)] = columns[best]
    result.concept_hits[position, : len(best)] = hits[best]


def shares(
    values: Float[np.ndarray, " samples"], limits: tuple[float, float]
) -> UInt16[np.ndarray, " bins"]:
    """Share of the values in each of equal bins between the limits, in 1/65535.

    >>> np.flatnonzero(shares(np.array([0.0, 0.0, 1.0]), (0.0, 1.0))).tolist()
    [0, 39]
    """
    if len(values) == 0:
        return np.zeros(NUM_BINS, np.uint16)
    low, high = limits
    width = high - low
    place = np.zeros(len(values), np.int64)
    if width > 0:
        scaled = (values / width - low / width) * NUM_BINS
        place = np.clip(scaled.astype(np.int64), 0, NUM_BINS - 1)
    counts = np.bincount(place, minlength=NUM_BINS)
    return np.rint(counts / len(values) * 65535).astype(np.uint16)


def roc(
    values: Float[np.ndarray, " samples"], inside: Bool[np.ndarray, " samples"]
) -> Float[np.ndarray, " points"]:
    """True-positive rates at `FALSE_POSITIVE_RATES`; zeros if a class is empty.

    Args:
        values: In decreasing order.
        inside: Whether each is a positive.

    >>> roc(np.array([3.0, 2.0, 1.0]), np.array([True, False, False]))[:2].tolist()
    [1.0, 1.0]
    """
    last = np.flatnonzero(np.append(values[1:] != values[:-1], True))
    num_true = np.cumsum(inside)[last]
    num_false = last + 1 - num_true
    if num_true[-1] == 0 or num_false[-1] == 0:
        return np.zeros(len(FALSE_POSITIVE_RATES))
    # Of points above each other the highest counts at that false-positive rate.
    x = np.append(0, num_false) / num_false[-1]
    y = np.append(0, num_true) / num_true[-1]
    highest_at = np.append(x[1:] != x[:-1], True)
    curve = np.interp(FALSE_POSITIVE_RATES, x[highest_at], y[highest_at])
    curve[-1] = 1.0
    return curve


def highest(
    ranks: HostRanks, ordered: Float[np.ndarray, " samples"], *, count: int
) -> Int[np.ndarray, " tops"]:
    """The samples of the largest activations; of equal ones the first in the data.

    >>> values = np.array([1.0, 5.0, 5.0, 0.0])
    >>> ranks = rank_host(values)
    >>> highest(ranks, values[ranks.order], count=4).tolist()
    [1, 2, 0, 3]
    """
    start = int(np.searchsorted(ordered, ordered[-min(count, len(ordered))], "left"))
    # The sort is stable, so that equal values come in the order of the data.
    reversed_order = np.argsort(-ordered[start:], kind="stable")
    return ranks.order[start:][reversed_order][:count]


def lowest(
    ranks: HostRanks, num_lowest: int, *, count: int
) -> Int[np.ndarray, " bottoms"]:
    """The samples of the smallest activations; of many equal ones some far apart."""
    if num_lowest <= count:
        return ranks.order[:count]
    return ranks.order[np.linspace(0, num_lowest - 1, count).astype(np.int64)]
