"""Held-out scores, alternatives and what literals are worth.

One split world: 600 samples of 8 concepts, 40 neurons, half of the samples held out.
"""

import dataclasses
from typing import Any

import jax
import numpy as np
import pytest
from scipy import stats

import invert_jax as ij
from invert_jax.core import delong, ranking
from invert_jax.holdout import without_literal
from invert_jax.splits import split_samples
from tests.worlds import QUIET, as_in_production

NUM_SAMPLES, NUM_NEURONS, NUM_CONCEPTS = 600, 40, 8
NAMES = [f"c{k}" for k in range(NUM_CONCEPTS)]
SETTINGS: dict[str, Any] = {"max_length": 3, "beam_size": 3, "min_fraction": 0.1}


def explain(activations, concepts, **settings):
    settings = {**SETTINGS, "options": QUIET, **settings}
    return ij.explain(activations, concepts, **settings)


@pytest.fixture(scope="module")
def concepts():
    rng = np.random.default_rng(1)
    masks = rng.random((NUM_SAMPLES, NUM_CONCEPTS)) < rng.uniform(0.2, 0.5, 8)
    return ij.Concepts.from_masks(masks, NAMES)


@pytest.fixture(scope="module")
def activations(concepts):
    """A third each of noise, of meaning, and of meaning with many ties."""
    rng = np.random.default_rng(2)
    values = rng.normal(size=(NUM_SAMPLES, NUM_NEURONS))
    masks = concepts.masks()[:, np.arange(NUM_NEURONS) % NUM_CONCEPTS]
    values[:, 13:] += 1.5 * masks[:, 13:]
    values[:, 26:] = np.round(np.maximum(values[:, 26:], 0))
    values[:, 3] = 0
    return values.astype(np.float32)


@pytest.fixture(scope="module")
def found(activations, concepts):
    return explain(activations, concepts, holdout=0.5, key=5)


@pytest.fixture(scope="module")
def negative(activations, concepts):
    return explain(activations, concepts, holdout=0.5, key=5, sign="negative")


def drawn_split(concepts, samples, *, holdout, key, groups):
    split = split_samples(concepts, samples, holdout=holdout, key=key, groups=groups)
    assert split is not None
    return split


def places(explanations):
    """Neuron and rank of every formula."""
    return np.argwhere(explanations.num_positives > 0).tolist()


def held_out_mask(explanations, concepts, neuron, rank):
    formula = explanations.formulas[neuron][rank]
    return formula.evaluate(concepts)[explanations.held_out.samples]


def test_half_of_the_samples_are_searched_and_the_others_judge(found):
    both = np.concatenate((found.samples, found.held_out.samples))
    np.testing.assert_array_equal(np.sort(both), np.arange(NUM_SAMPLES))
    assert found.num_samples == found.held_out.num_samples == NUM_SAMPLES // 2


def test_the_search_is_that_of_the_searched_samples_alone(found, activations, concepts):
    where = np.zeros(NUM_SAMPLES, bool)
    where[found.samples] = True
    alone = explain(activations, concepts, where=where)
    for name in ("literals", "operators", "lengths", "rank_sums", "supports"):
        np.testing.assert_array_equal(getattr(found, name), getattr(alone, name))


@pytest.mark.parametrize("sign", ["positive", "negative"])
def test_held_out_scores_and_p_values_are_those_of_scipy(
    found, negative, activations, concepts, sign
):
    explanations = found if sign == "positive" else negative
    held_out = explanations.held_out
    alternative = "greater" if sign == "positive" else "less"
    for neuron, rank in places(explanations):
        mask = held_out_mask(explanations, concepts, neuron, rank)
        values = activations[held_out.samples, neuron].astype(np.float64)
        assert held_out.num_positives[neuron, rank] == mask.sum()
        for sided, log10_p in (
            ("two-sided", held_out.log10_p),
            (alternative, held_out.log10_p_one_sided),
        ):
            test = stats.mannwhitneyu(
                values[mask], values[~mask], alternative=sided, method="asymptotic"
            )
            assert 10 ** log10_p[neuron, rank] == pytest.approx(test.pvalue)
        score = test.statistic / (mask.sum() * (~mask).sum())
        assert held_out.scores[neuron, rank] == score


def test_intervals_are_delongs_on_the_held_out_samples(found, activations, concepts):
    held_out = found.held_out
    for neuron, rank in places(found)[::5]:
        ranks = ranking.rank_host(activations[held_out.samples, neuron])
        mask = held_out_mask(found, concepts, neuron, rank)[ranks.order]
        influence = delong.influences(mask, *delong.group_bounds(ranks.midranks))
        expected = delong.logit_interval(
            held_out.scores[neuron, rank, None], np.array([influence @ influence])
        )
        np.testing.assert_allclose(held_out.intervals[neuron, rank], expected[0])
        low, high = held_out.intervals[neuron, rank]
        assert low < held_out.scores[neuron, rank] < high


def test_held_out_intervals_cover_the_score_of_the_population_after_a_search():
    # 500 neurons with weak meanings, of 600 samples from a population of 10,000. The
    # scores that chose the formulas are far above those of the population.
    rng, count = np.random.default_rng(6), 500
    rates = np.random.default_rng(1).uniform(0.2, 0.5, NUM_CONCEPTS)
    masks = rng.random((10_000, NUM_CONCEPTS)) < rates
    planted = masks[:, np.arange(count) % NUM_CONCEPTS]
    values = (0.5 * planted + rng.normal(size=planted.shape)).astype(np.float32)
    concepts = ij.Concepts.from_masks(masks[:NUM_SAMPLES], NAMES)
    explanations = explain(values[:NUM_SAMPLES], concepts, holdout=0.5, key=1)
    table = dict(zip(NAMES, masks.T, strict=True))
    best = [formulas[0] for formulas in explanations.formulas]
    distinct = list(dict.fromkeys(map(str, best)))
    truth = np.stack([best[0].parse(text).evaluate(table) for text in distinct], 1)
    column = [distinct.index(str(formula)) for formula in best]
    population = auroc_of(values, truth)[np.arange(count), column]
    low, high = explanations.held_out.intervals[:, 0].T
    covered = ((low <= population) & (population <= high)).mean()
    assert 0.92 < covered < 0.98
    searched = explanations.scores[:, 0]
    assert (searched > population).mean() > 0.9
    width = (high - low).mean() / 2
    assert (np.abs(searched - population) > width).mean() > 0.2


def auroc_of(values, masks):
    """AUROC of untied neurons for masks, by ranks."""
    ranks = np.argsort(np.argsort(values, axis=0), axis=0) + 1.0
    positives = masks.sum(0)
    u = ranks.T @ masks - positives * (positives + 1) / 2
    return u / (positives * (len(masks) - positives))


def test_optimism_is_what_the_searched_samples_flatter(found, negative):
    np.testing.assert_array_equal(found.optimism, found.scores - found.held_out.scores)
    np.testing.assert_array_equal(
        negative.optimism, negative.held_out.scores - negative.scores
    )
    # Of noise the best of many formulas flatters; of a plain meaning hardly.
    for explanations in (found, negative):
        noise = np.delete(explanations.optimism[:13, 0], 3)
        assert noise.mean() > 3 * noise.std(ddof=1) / np.sqrt(len(noise))
    assert abs(found.optimism[13:, 0].mean()) < found.optimism[:3, 0].mean() / 2


def test_held_out_scores_of_noise_are_a_half_on_average(found):
    scores = np.delete(found.held_out.scores[:13, 0], 3)
    assert abs(scores.mean() - 0.5) < 3 * scores.std(ddof=1) / np.sqrt(len(scores))


def test_alternatives_are_not_shown_to_be_worse_than_the_best(found):
    held_out = found.held_out
    assert not held_out.is_alternative[:, 0].any()
    worse = held_out.scores[:, :1] - held_out.scores
    limit = stats.norm.ppf(0.975) * np.sqrt(held_out.differences[:, -1])
    np.testing.assert_array_equal(
        held_out.is_alternative[:, 1:], (worse <= limit)[:, 1:]
    )
    assert 0 < held_out.is_alternative[:, 1:].sum() < 2 * NUM_NEURONS


def test_a_unit_shows_which_of_its_formulas_are_alternatives(found):
    neuron = int(np.flatnonzero(found.held_out.is_alternative.any(1))[0])
    rows = [line for line in str(found.unit(neuron)).splitlines() if "most 3" in line]
    marked = [line.endswith("alternative") for line in rows]
    assert marked == found.held_out.is_alternative[neuron].tolist()
    assert "alternative" not in found._repr_html_()


def test_the_paired_difference_is_that_of_the_influences(found, activations, concepts):
    held_out = found.held_out
    ranks = ranking.rank_host(activations[held_out.samples, 20])
    bounds = delong.group_bounds(ranks.midranks)
    best, other = (
        delong.influences(
            held_out_mask(found, concepts, 20, rank)[ranks.order], *bounds
        )
        for rank in (0, 2)
    )
    assert held_out.differences[20, -1, 2] == pytest.approx(((best - other) ** 2).sum())
    assert held_out.differences[20, -1, 0] == 0


def test_a_meaning_that_only_one_formula_has_leaves_no_alternative():
    rng = np.random.default_rng(3)
    masks = rng.random((NUM_SAMPLES, NUM_CONCEPTS)) < 0.3
    activations = masks[:, [0]] + 0.1 * rng.normal(size=(NUM_SAMPLES, NUM_NEURONS))
    explanations = explain(
        activations.astype(np.float32), ij.Concepts.from_masks(masks, NAMES),
        holdout=0.5, key=0,
    ).at_length(1)  # fmt: skip
    assert explanations.held_out is not None
    assert not explanations.held_out.is_alternative.any()


def slow_scores_without(formula, values, masks):
    """Each literal taken out by hand, and scipy's statistic of what is left."""
    literals, operators = [], []
    for part in str(formula).replace("(", "").replace(")", "").split():
        if part in ("&", "|"):
            operators.append(part)
        else:
            mask = masks[:, NAMES.index(part.removeprefix("~"))]
            literals.append(~mask if part.startswith("~") else mask)
    scores = []
    for place in range(len(literals)):
        left = literals[:place] + literals[place + 1 :]
        ops = operators[1:] if place == 0 else operators.copy()
        if place > 0:
            del ops[place - 1]
        if not left:
            return [np.nan]
        mask = left[0]
        for operator, literal in zip(ops, left[1:], strict=True):
            mask = mask & literal if operator == "&" else mask | literal
        u = stats.mannwhitneyu(values[mask], values[~mask], method="asymptotic")
        scores.append(u.statistic / (mask.sum() * (~mask).sum()))
    return scores


def test_scores_without_literals_are_those_of_what_is_left(
    found, activations, concepts
):
    searched = ij.scores_without(found, activations, concepts)
    held_out = found.held_out.scores_without
    lengths = set()
    for scores, samples in (
        (searched, found.samples),
        (held_out, found.held_out.samples),
    ):
        for neuron in np.flatnonzero(found.status == "labeled"):
            formula = found.formulas[neuron][0]
            values = activations[samples, neuron].astype(np.float64)
            slow = slow_scores_without(formula, values, concepts.masks()[samples])
            lengths.add(len(slow))
            np.testing.assert_array_equal(scores[neuron, : len(slow)], slow)
            assert np.isnan(scores[neuron, len(slow) :]).all()
    assert 3 in lengths


@pytest.mark.parametrize(
    ("place", "left"),
    [(0, ([2, 4], [0])), (1, ([0, 4], [0])), (2, ([0, 2], [1]))],
)
def test_a_literal_takes_the_operator_before_it_along(place, left):
    assert without_literal([0, 2, 4], [1, 0], place) == left


def test_the_score_does_not_gain_by_leaving_a_literal_out_of_a_found_formula(
    found, activations, concepts
):
    # What is left of the first steps of a formula stood in the beam; only formulas
    # within the bounds did.
    without = ij.scores_without(found, activations, concepts)
    length = found.lengths[:, -1, 0]
    last = np.maximum(length - 1, 0)
    rows = np.flatnonzero(length > 1)
    assert (without[rows, last[rows]] <= found.scores[rows, 0]).all()


def test_neurons_without_a_formula_are_judged_by_nothing(found):
    assert found.status[3] == "constant"
    held_out = found.held_out
    for values in (held_out.scores, held_out.log10_p, held_out.intervals):
        assert np.isnan(values[3]).all()
    assert not held_out.is_alternative[3].any()


def test_shorter_lengths_and_fewer_neurons_keep_their_held_out_scores(found):
    one = found.at_length(1)
    first = found.held_out
    np.testing.assert_array_equal(one.held_out.num_positives, first.supports[:, 0])
    assert one.held_out.scores_without.shape == (NUM_NEURONS, 1)
    some = found.take([7, 20])
    np.testing.assert_array_equal(some.held_out.scores, first.scores[[7, 20]])
    np.testing.assert_array_equal(some.optimism, found.optimism[[7, 20]])


def test_held_out_scores_come_back_from_disk(found, negative, tmp_path):
    for explanations in (found, negative):
        explanations.save(tmp_path / "labels")
        loaded = ij.Explanations.load(tmp_path / "labels")
        found_again = loaded.held_out
        assert found_again is not None
        for field in dataclasses.fields(explanations.held_out):
            np.testing.assert_array_equal(
                getattr(found_again, field.name),
                getattr(explanations.held_out, field.name),
            )
        np.testing.assert_array_equal(loaded.samples, explanations.samples)
        np.testing.assert_array_equal(
            found_again.intervals, explanations.held_out.intervals
        )


def test_results_in_a_folder_hold_the_held_out_scores(
    activations, concepts, found, tmp_path
):
    options = ij.Options(progress=False, output=tmp_path / "labels")
    explain(activations, concepts, holdout=0.5, key=5, options=options)
    loaded = ij.Explanations.load(tmp_path / "labels")
    assert loaded.held_out is not None
    np.testing.assert_array_equal(loaded.held_out.scores, found.held_out.scores)


def test_the_table_and_the_text_gain_columns(found):
    table = found.to_arrow()
    held_out = found.held_out
    for name, expected in (
        ("held_out_score", held_out.scores[:, 0]),
        ("held_out_low", held_out.intervals[:, 0, 0]),
        ("held_out_high", held_out.intervals[:, 0, 1]),
        ("held_out_log10_p", held_out.log10_p[:, 0]),
        ("held_out_log10_p_one_sided", held_out.log10_p_one_sided[:, 0]),
        ("held_out_optimism", found.optimism[:, 0]),
    ):
        np.testing.assert_array_equal(table[name].to_numpy(), expected)
    for place in range(3):
        name = f"held_out_score_without_{place + 1}"
        expected = held_out.scores_without[:, place]
        np.testing.assert_array_equal(table[name].to_numpy(), expected)
    ranks = found.to_arrow(all_ranks=True)
    without = ranks["held_out_score_without_1"].to_numpy()
    assert np.isnan(without[ranks["rank"].to_numpy() > 0]).all()
    assert ranks["is_alternative"].to_numpy().sum() == held_out.is_alternative.sum()
    assert "held out" in str(found) and "95 %" in str(found)
    assert "held_out_score" not in explain_columns(found)


def explain_columns(explanations):
    return dataclasses.replace(explanations, held_out=None).to_arrow().column_names


def test_a_null_of_the_searched_samples_is_drawn_from_the_whole_table(found, concepts):
    null = ij.null_distribution(concepts, found, num_draws=40, key=0, options=QUIET)
    assert null.num_samples == found.num_samples
    labeled = found.with_null(null)
    assert labeled.held_out is found.held_out
    assert np.isnan(labeled.p_search).tolist() == (found.status == "constant").tolist()


def test_a_formula_without_both_classes_says_so():
    # "rare" holds on three samples; where they fall, the key decides.
    masks = np.zeros((300, 2), bool)
    masks[:150, 0], masks[:3, 1] = True, True
    concepts = ij.Concepts.from_masks(masks, ["half", "rare"])
    activations = masks[:, [1]].astype(np.float32)
    notes = set()
    for key in range(12):
        with pytest.warns(ij.FewPositivesWarning):
            found = ij.explain(
                activations, concepts, max_length=1, holdout=0.5, key=key, options=QUIET
            )
        if str(found.formulas[0][0]) != "rare":
            continue
        held_out = found.held_out
        assert held_out is not None
        positives = held_out.num_positives[0, 0]
        note = {0: "no positives", 1: "few positives"}.get(int(positives), "")
        assert held_out.notes[0] == note
        assert np.isnan(held_out.scores[0, 0]) == (positives == 0)
        assert np.isnan(held_out.intervals[0, 0]).all()
        assert note in str(found)
        assert found.to_arrow()["held_out_note"].to_pylist() == [note or None]
        notes.add(note)
    assert notes == {"no positives", "few positives", ""}


@pytest.mark.parametrize("holdout", [0.1, 0.5, 0.9])
def test_the_share_held_out_is_the_one_asked_for(concepts, holdout):
    split = drawn_split(concepts, None, holdout=holdout, key=1, groups=None)
    assert len(split.reported) == round(holdout * NUM_SAMPLES)


def test_keys_decide_which_samples_are_held_out(concepts):
    def reported(key):
        split = drawn_split(concepts, None, holdout=0.5, key=key, groups=None)
        return split.reported.tolist()

    assert reported(1) == reported(jax.random.key(1))
    assert reported(1) != reported(2)


def test_groups_stay_on_one_side(concepts):
    rng = np.random.default_rng(4)
    for groups in (rng.integers(30, size=NUM_SAMPLES), rng.choice(list("abcd"), 600)):
        split = drawn_split(concepts, None, holdout=0.3, key=0, groups=groups)
        searched, reported = set(groups[split.searched]), set(groups[split.reported])
        assert searched and reported and not searched & reported
    # 30 groups of about 20 samples come within half a group of the share.
    groups = rng.integers(30, size=NUM_SAMPLES)
    split = drawn_split(concepts, None, holdout=0.3, key=0, groups=groups)
    assert abs(len(split.reported) / NUM_SAMPLES - 0.3) < 0.03


def test_samples_left_out_are_on_neither_side(concepts):
    kept = np.flatnonzero(np.arange(NUM_SAMPLES) % 3 > 0)
    split = drawn_split(concepts, kept, holdout=0.5, key=0, groups=None)
    both = np.sort(np.concatenate((split.searched, split.reported)))
    np.testing.assert_array_equal(both, kept)


def test_layers_are_split_alike(concepts, activations):
    layers = {"a": activations, "b": activations[:, ::-1]}
    found = explain(layers, concepts, holdout=0.5, key=5)
    np.testing.assert_array_equal(
        found["a"].held_out.scores, found["b"].held_out.scores[::-1]
    )


@pytest.mark.parametrize("holdout", [0, 1, -0.5, 2.0, float("nan")])
def test_a_share_outside_0_and_1_is_refused(activations, concepts, holdout):
    with (
        as_in_production(),
        pytest.raises(ValueError, match=r"`holdout` must be in \(0, 1\); got"),
    ):
        explain(activations, concepts, holdout=holdout, key=0)


def test_a_share_that_is_no_number_is_refused(activations, concepts):
    with (
        as_in_production(),
        pytest.raises(TypeError, match=r"`holdout` must be a number; got 'half'"),
    ):
        explain(activations, concepts, holdout="half", key=0)


def test_a_split_needs_a_key(activations, concepts):
    with pytest.raises(ValueError, match=r"`holdout` needs a `key` to draw samples"):
        explain(activations, concepts, holdout=0.5)


@pytest.mark.parametrize("name", ["key", "groups"])
def test_what_is_for_the_split_is_refused_without_one(activations, concepts, name):
    value = 0 if name == "key" else np.zeros(NUM_SAMPLES, int)
    with pytest.raises(ValueError, match=rf"`{name}` is for `holdout`, which was not"):
        explain(activations, concepts, **{name: value})


@pytest.mark.parametrize("shape", [(NUM_SAMPLES - 1,), (NUM_SAMPLES, 1), ()])
def test_groups_of_another_length_are_refused(activations, concepts, shape):
    with pytest.raises(
        ValueError, match=r"`groups` must hold one group for each of the"
    ):
        explain(activations, concepts, holdout=0.5, key=0, groups=np.zeros(shape, int))


def test_groups_that_are_no_names_are_refused(activations, concepts):
    groups = np.zeros(NUM_SAMPLES)
    with pytest.raises(TypeError, match=r"`groups` must be whole numbers or strings"):
        explain(activations, concepts, holdout=0.5, key=0, groups=groups)


def test_a_single_group_cannot_be_split(activations, concepts):
    groups = np.zeros(NUM_SAMPLES, int)
    with pytest.raises(ValueError, match=r"`groups` must have at least 2 groups"):
        explain(activations, concepts, holdout=0.5, key=0, groups=groups)


def test_a_split_that_leaves_too_few_positives_is_refused(activations, concepts):
    with pytest.raises(
        ValueError, match=r"`holdout` must leave at least 2 positives of"
    ):
        explain(activations, concepts, holdout=0.001, key=0)


def test_optimism_without_held_out_samples_is_an_error(found):
    with pytest.raises(ValueError, match=r"`optimism` needs held-out samples: explain"):
        dataclasses.replace(found, held_out=None).optimism  # noqa: B018


def test_scores_without_literals_need_the_same_concepts(found, activations, concepts):
    other = ij.Concepts.from_masks(~concepts.masks(), NAMES)
    with pytest.raises(
        ValueError, match=r"`concepts` must be those that were explained"
    ):
        ij.scores_without(found, activations, other)
