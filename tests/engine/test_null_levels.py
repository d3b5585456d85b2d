"""How often neurons without a meaning are labeled, and how often those with one."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

import invert_jax as ij
from invert_jax.core.statistics import drawn_patterns, tie_patterns
from tests.meaningless_neurons import (
    ALPHA,
    NUM_CONCEPTS,
    NUM_DRAWS,
    NUM_SAMPLES,
    explain,
    make_concepts,
    make_masks,
    noise,
    null_distribution,
    tolerance,
)


@pytest.fixture(scope="module")
def masks():
    return make_masks()


@pytest.fixture(scope="module")
def concepts():
    return make_concepts()


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9, 0.99, 0.998])
def test_meaningless_neurons_are_called_labeled_as_rarely_as_alpha_says(
    concepts, share
):
    count = 1000
    found = explain(noise(np.random.default_rng(4), count, share), concepts)
    level = (
        found.with_null(null_distribution(concepts, found)).p_search <= ALPHA
    ).mean()
    assert abs(level - ALPHA) <= tolerance(count, errors=2)


def test_shares_between_points_of_the_grid_err_to_the_safe_side_and_not_far(concepts):
    # Just below a point: all is drawn with the ties of the one before, a variance
    # larger by 9 %.
    count, points = 1000, drawn_patterns.end_grid(NUM_SAMPLES)
    for point in points[[-4, -12]].tolist():
        share = 1 - (point + 1) / NUM_SAMPLES
        found = explain(noise(np.random.default_rng(4), count, share), concepts)
        null = null_distribution(concepts, found)
        level = (found.with_null(null).p_search <= ALPHA).mean()
        assert ALPHA / 4 <= level <= ALPHA + tolerance(count, errors=2)


@pytest.mark.parametrize(
    ("make", "least"),
    [
        (lambda rng, size: np.arange(size) < size // 2, ALPHA),
        (lambda rng, size: rng.integers(5, size=size), ALPHA),
        (lambda rng, size: np.minimum(rng.poisson(1, size=size), 5), ALPHA),
        (lambda rng, size: np.minimum(np.arange(size), size // 3), ALPHA),
        (lambda rng, size: np.clip(rng.normal(size=size), -0.3, 1), ALPHA),
        (lambda rng, size: rng.normal(size=size) * (rng.random(size) < 0.1), ALPHA),
        (lambda rng, size: np.round(rng.normal(size=size), 1), ALPHA),
        # On the grid, and in steps: two errors to the safe side.
        (lambda rng, size: rng.random(size) < 0.03, ALPHA / 2),
    ],
    ids=["binary", "5 levels", "counts", "saturated", "both ends", "zeros inside",
         "rounded", "3 % true"],
)  # fmt: skip
def test_other_ties_keep_the_level_too_and_use_it_up(concepts, make, least):
    count, rng = 300, np.random.default_rng(5)
    one = make(rng, NUM_SAMPLES).astype(np.float32)
    found = explain(permuted(rng, one, count), concepts)
    null = null_distribution(concepts, found, num_draws=499)
    assert len(null.patterns) == 1
    level = (found.with_null(null).p_search <= ALPHA).mean()
    error = tolerance(count, 499)
    assert least - error <= level <= ALPHA + error


def permuted(rng, one, count):
    """So many neurons with the activations of one, each in an order of its own."""
    return rng.permuted(np.repeat(one[:, None], count, axis=1), axis=0)


@pytest.mark.parametrize("sign", ["positive", "negative"])
@pytest.mark.parametrize(
    "make",
    [
        lambda rng, size: rng.poisson(1, size),
        lambda rng, size: rng.poisson(30, size),
        lambda rng, size: rng.integers(6, size=size),
        lambda rng, size: rng.normal(size=size).clip(-1, 0.5).round(1),
        lambda rng, size: rng.random(size) < 0.5,
    ],
    ids=["mean 1", "mean 30", "6 levels", "gates", "two values"],
)
def test_counting_neurons_share_few_nulls_that_keep_the_level(concepts, make, sign):
    count = 800
    activations = make(np.random.default_rng(5), (NUM_SAMPLES, count))
    found = explain(activations.astype(np.float32), concepts, sign=sign)
    patterns = set(tie_patterns.patterns_of(found.tie_groups))
    assert len(patterns) > drawn_patterns.MOST_OWN
    null = null_distribution(concepts, found)
    assert len(null.patterns) <= 3
    level = (found.with_null(null).p_search <= ALPHA).mean()
    assert 0.02 - tolerance(count, errors=1) <= level <= ALPHA + tolerance(count)


def test_up_to_64_patterns_have_draws_of_their_own(concepts):
    activations = np.random.default_rng(5).poisson(2, (NUM_SAMPLES, 20))
    few = explain(activations.astype(np.float32), concepts)
    null = null_distribution(concepts, few, num_draws=9)
    assert set(null.patterns) == set(tie_patterns.patterns_of(few.tie_groups))


@pytest.mark.parametrize(("share", "size"), [(0.5, 25), (0.4, 30)])
def test_what_own_draws_call_significant_p_search_does(concepts, share, size):
    # Neurons of two values with a weak meaning, judged by the scores of 1,000 others
    # of the same two values and no meaning, and by the null.
    rng = np.random.default_rng(16)
    two = np.arange(NUM_SAMPLES) < share * NUM_SAMPLES
    fresh = explain(permuted(rng, two.astype(np.float32), 1000), concepts)
    null = null_distribution(concepts, fresh)
    scores = np.sort(fresh.scores[:, 0])
    mask = make_masks()[:, int(np.abs(make_masks().sum(0) - 200).argmin())]
    noisy = rng.normal(size=(NUM_SAMPLES, 1000)) + 0.01 * size * mask[:, None]
    ranks = np.argsort(np.argsort(-noisy, axis=0), axis=0)
    planted = explain((ranks < share * NUM_SAMPLES).astype(np.float32), concepts)
    reached = len(scores) - np.searchsorted(scores, planted.scores[:, 0])
    own = ((1 + reached) / 1001 <= ALPHA).mean()
    found = (planted.with_null(null).p_search <= ALPHA).mean()
    assert 0.1 < own < 0.95
    assert abs(found - own) < 0.1


def test_ties_of_a_twentieth_count_where_supports_have_few_samples():
    # 21 values, and two concepts of one sample each: with untied draws the share of
    # p-values of at most 5 % was 9.5 %.
    rng, size, count = np.random.default_rng(17), 420, 2000
    masks = np.arange(size)[:, None] == [3, 200]
    concepts = ij.Concepts.from_masks(masks, ["a", "b"])
    one = (np.arange(size) * 21 // size).astype(np.float32)
    with pytest.warns(ij.FewPositivesWarning):
        found = explain(permuted(rng, one, count), concepts, min_fraction=0.0)
    null = null_distribution(concepts, found)
    p_search = found.with_null(null).p_search
    for alpha in (0.02, ALPHA, 0.1, 0.2):
        error = 3 * np.sqrt(alpha * (1 - alpha) * (1 / count + 1 / NUM_DRAWS))
        assert (p_search <= alpha).mean() <= alpha + error
    assert (p_search <= 0.3).any()


@pytest.mark.parametrize("num_active", [8, 50, 200])
@pytest.mark.parametrize("binary", [False, True])
def test_scores_in_steps_keep_the_level_too(num_active, binary):
    # Classes of one size and few active samples: a score is a number of hits. Draws of
    # more active samples would miss the step without an allowance, and call a fifth of
    # the neurons labeled.
    count, rng = 400, np.random.default_rng(14)
    labels = np.arange(NUM_SAMPLES) % 50
    concepts = ij.Concepts.from_labels(labels, [f"c{k}" for k in range(50)])
    activations = noise(rng, count, 1 - num_active / NUM_SAMPLES)
    activations = np.sign(activations) if binary else activations
    found = explain(activations, concepts)
    null = null_distribution(concepts, found)
    p_search = found.with_null(null).p_search
    assert (p_search <= ALPHA).mean() <= ALPHA + tolerance(count)
    # They are the share of the neurons that reach a score, but where ties that are not
    # drawn leave scores within a step, of which the allowance takes one for the other.
    scores = found.scores[:, 0]
    own = (scores >= scores[:, None]).mean(1)
    error = 3 * np.sqrt(own * (1 - own) * (1 / count + 1 / NUM_DRAWS)) + 1 / count
    assert (own - error <= p_search)[own <= 0.2].all()
    if not binary or num_active == 200:
        assert (p_search <= own + error)[own <= 0.2].all()


@pytest.mark.parametrize("sign", ["positive", "negative"])
def test_signs_have_nulls_of_their_own(concepts, sign):
    count = 200
    activations = noise(np.random.default_rng(6), count, 0.9)
    found = explain(activations, concepts, sign=sign)
    null = null_distribution(concepts, found)
    level = (found.with_null(null).p_search <= ALPHA).mean()
    assert abs(level - ALPHA) <= tolerance(count)
    best = found.scores[:, 0]
    assert (best < 0.5).all() if sign == "negative" else (best > 0.5).all()
    assert ((null.scores[0, :, 1] < 0.5) == (sign == "negative")).all()


@pytest.mark.parametrize("length", [1, 2])
@pytest.mark.parametrize("share", [0.0, 0.9])
def test_draws_and_fresh_meaningless_neurons_have_one_distribution(
    concepts, share, length
):
    # On a point of the grid, so that the draws have the neurons' own ties.
    found = explain(noise(np.random.default_rng(7), 500, share), concepts)
    size = found.tie_groups[0, 0, 1]
    if size:
        null = null_distribution(concepts, found)
        share = null.patterns[0][0][1] / NUM_SAMPLES
        found = explain(noise(np.random.default_rng(7), 500, share), concepts)
        assert found.tie_groups[0, 0, 1] == round(share * NUM_SAMPLES)
    null = null_distribution(concepts, found)
    fresh = found.at_length(length).scores[:, 0]
    assert stats.ks_2samp(null.scores[0, :, length - 1], fresh).pvalue > 0.01


def test_a_sparse_latent_with_a_meaning_is_found_where_the_untied_null_is_blind():
    # Fires on a fifth of one concept's positives and 0.2 % of the rest.
    rng = np.random.default_rng(8)
    num_samples = 5000
    masks = rng.random((num_samples, 40)) < np.r_[0.02, rng.uniform(0.01, 0.3, 39)]
    concepts = ij.Concepts.from_masks(masks, [f"c{k}" for k in range(40)])
    fires = rng.random((num_samples, 1)) < np.where(masks[:, :1], 0.2, 0.002)
    latent = fires * rng.exponential(size=(num_samples, 1))
    # Neurons enough for the block of the draws; one search is compiled.
    layer = np.repeat(latent.astype(np.float32), 200, axis=1)
    found = explain(layer, concepts, min_fraction=0.01).take([0])
    null = null_distribution(concepts, found, num_draws=299)
    labeled = found.with_null(null)
    assert labeled.status[0] == "labeled" and labeled.p_search[0] == 1 / 300
    assert "c0" in found.formulas[0][0].names

    untied = dataclasses.replace(found, tie_groups=0 * found.tie_groups)
    null = null_distribution(concepts, untied, num_draws=299)
    assert untied.with_null(null).status[0] == "chance"


def test_false_discoveries_stay_below_alpha_over_mixtures(masks, concepts):
    # 12 layers of 15 neurons with a meaning and 30 without, of mixed sparsity.
    rng, layers, planted, without = np.random.default_rng(9), 12, 15, 30
    activations = []
    for _ in range(layers):
        chosen = rng.choice(NUM_CONCEPTS, planted)
        meaning = noise(rng, planted) + masks[:, chosen]
        activations += [
            meaning,
            noise(rng, without // 2),
            noise(rng, without // 2, 0.9),
        ]
    found = explain(np.concatenate(activations, axis=1).astype(np.float32), concepts)
    null = null_distribution(concepts, found)
    shares, powers = [], []
    for layer in range(layers):
        first = layer * (planted + without)
        labels = found.take(np.arange(first, first + planted + without)).with_null(null)
        called = labels.status == "labeled"
        shares.append(called[planted:].sum() / max(1, called.sum()))
        powers.append(called[:planted].mean())
    error = np.std(shares, ddof=1) / np.sqrt(layers)
    assert np.mean(shares) <= ALPHA + 2 * error
    assert np.mean(powers) > 0.8
