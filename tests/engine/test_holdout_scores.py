"""Held-out scores, alternatives and what literals are worth."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

import invert_jax as ij
from invert_jax.core import ranking
from invert_jax.core.statistics import delong
from tests.held_out_runs import (
    NAMES,
    NUM_CONCEPTS,
    NUM_NEURONS,
    NUM_SAMPLES,
    explain,
    make_activations,
    make_concepts,
)
from tests.small_runs import QUIET


@pytest.fixture(scope="module")
def concepts():
    return make_concepts()


@pytest.fixture(scope="module")
def activations():
    return make_activations()


@pytest.fixture(scope="module")
def found(activations, concepts):
    return explain(activations, concepts, holdout=0.5, key=5)


@pytest.fixture(scope="module")
def negative(activations, concepts):
    return explain(activations, concepts, holdout=0.5, key=5, sign="negative")


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
    limit = stats.norm.ppf(0.975) * np.sqrt(held_out.differences[:, -1, :, -1])
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
    assert held_out.differences[20, -1, 2, -1] == pytest.approx(
        ((best - other) ** 2).sum()
    )
    assert held_out.differences[20, -1, 0, -1] == 0


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
        name, expected = f"held_out_score_at_{place + 1}", found.at_length(place + 1)
        expected = expected.held_out.scores[:, 0]
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
        note = "few positives, few active" if positives else "no positives"
        assert held_out.notes[0] == note
        assert np.isnan(held_out.scores[0, 0]) == (positives == 0)
        assert np.isnan(held_out.intervals[0, 0]).all()
        assert note in str(found)
        assert found.to_arrow()["held_out_note"].to_pylist() == [note or None]
        notes.add(note)
    assert notes == {"no positives", "few positives, few active"}


def test_neurons_that_are_silent_on_held_out_samples_are_not_judged(
    activations, concepts, found
):
    # A latent all of whose firings fell on the searched side.
    silent = activations.copy()
    silent[found.held_out.samples, 20] = 0
    again = explain(silent, concepts, holdout=0.5, key=5)
    held_out = again.held_out
    assert again.status[20] == "labeled" and held_out.num_active[20] == 0
    assert held_out.scores[20, 0] == 0.5
    assert np.isnan(held_out.intervals[20]).all()
    assert not held_out.is_alternative[20].any()
    assert held_out.notes[20] == "all tied"
    assert "all tied" in str(again.take([20]))
    assert again.to_arrow()["held_out_note"][20].as_py() == "all tied"


def test_a_difference_without_variance_makes_no_alternative(found):
    # Where supports differ, it says that nothing was seen, not that nothing differs.
    held_out = found.held_out
    neuron, rank = np.argwhere(held_out.is_alternative)[0]
    assert held_out.supports[neuron, -1, rank] != held_out.supports[neuron, -1, 0]
    differences, scores = held_out.differences.copy(), held_out.sums.copy()
    differences[neuron, -1, rank] = 0
    scores[neuron, -1] = 0
    blind = dataclasses.replace(held_out, differences=differences, sums=scores)
    assert not blind.is_alternative[neuron, rank]


def test_few_positives_and_few_active_samples_are_noted(found):
    held_out = found.held_out
    supports, active = held_out.supports.copy(), held_out.num_active.copy()
    supports[[0, 1, 2], -1, 0] = 9, 10, held_out.num_samples - 9
    active[[1, 2, 4]] = 10, 9, 9
    some = dataclasses.replace(held_out, supports=supports, num_active=active)
    assert some.notes[[0, 1, 2, 4]].tolist() == [
        "few positives", "", "few negatives, few active", "few active",
    ]  # fmt: skip


def test_optimism_without_held_out_samples_is_an_error(found):
    with pytest.raises(ValueError, match=r"`optimism` needs held-out samples: explain"):
        dataclasses.replace(found, held_out=None).optimism  # noqa: B018
