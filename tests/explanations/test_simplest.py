"""The simple label: which length is chosen, and that nothing else changes."""

import html

import numpy as np
import pytest

import invert_jax as ij
from invert_jax.core.statistics import delong
from tests.held_out_runs import (
    NAMES,
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


@pytest.fixture(scope="module", params=["positive", "negative"])
def found(request, activations, concepts):
    return explain(activations, concepts, holdout=0.5, key=5, sign=request.param)


@pytest.fixture(scope="module")
def simple(found):
    return found.simplest()


def worse_by(explanations, scores, other):
    loss = other - scores
    return -loss if explanations.settings.sign == "negative" else loss


def slow_length(found, position, activations, concepts, tolerance):
    """The rule, one neuron at a time."""
    full = found.at_length(found.max_length).held_out.scores[position, 0]
    samples = found.held_out.samples
    values = activations[samples, position]
    order = np.argsort(values, kind="stable")
    ranks = ij.core.ranking.rank_host(values)
    bounds = delong.group_bounds(ranks.midranks)

    def influence(length):
        formula = found.at_length(length).formula(position)
        mask = formula.evaluate(concepts)[samples][order]
        return delong.influences(mask, *bounds)

    for length in range(1, found.max_length):
        score = found.at_length(length).held_out.scores[position, 0]
        worse = worse_by(found, score, full)
        variance = ((influence(length) - influence(found.max_length)) ** 2).sum()
        if worse <= tolerance or worse <= 1.6448536 * np.sqrt(variance):
            return length
    return found.max_length


@pytest.mark.parametrize("tolerance", [0.0, 0.01, 0.05])
def test_the_shortest_that_is_as_good_held_out_is_the_label(
    found, activations, concepts, tolerance
):
    lengths = found.simplest(tolerance).label_lengths
    for position in np.flatnonzero(found.has_formula).tolist():
        assert lengths[position] == slow_length(
            found, position, activations, concepts, tolerance
        )


def test_the_label_is_the_best_of_its_length_with_all_that_is_known_of_it(
    found, simple
):
    for position in np.flatnonzero(found.has_formula).tolist():
        length = int(simple.label_lengths[position])
        of_length = found.at_length(length)
        assert simple.formula(position) == of_length.formula(position)
        for part in (lambda e: e, lambda e: e.held_out):
            for name in ("scores", "num_positives"):
                one = getattr(part(simple), name)[position, 0]
                assert one == getattr(part(of_length), name)[position, 0]
        for name in ("log10_p", "intervals", "log10_p_one_sided"):
            np.testing.assert_array_equal(
                getattr(simple.held_out, name)[position, 0],
                getattr(of_length.held_out, name)[position, 0],
            )
        np.testing.assert_array_equal(
            simple.held_out.scores_without[position, :length],
            of_length.held_out.scores_without[position],
        )
        for name in simple.panel.keys():
            np.testing.assert_array_equal(
                simple.panel[name][position], of_length.panel[name][position]
            )
        assert simple.label_notes[position] == of_length.label_notes[position]


def test_the_longest_is_known_where_the_label_is_shorter(found, simple):
    full = [formulas[0] for formulas in found.formulas]
    labels = [formulas[0] for formulas in simple.formulas]
    wanted = [
        None if label == longest else longest
        for label, longest in zip(labels, full, strict=True)
    ]
    assert 0 < sum(each is None for each in wanted) < len(wanted)
    assert [simple.longest(position) for position in range(len(simple))] == wanted
    assert not any(found.longest(position) for position in range(len(found)))
    table = simple.to_arrow(all_ranks=True)
    rows = zip(*(table[name].to_pylist() for name in (
        "neuron", "rank", "longest_formula")), strict=True)  # fmt: skip
    for neuron, rank, text in rows:
        expected = wanted[simple.neurons.tolist().index(neuron)]
        is_told = rank == 0 and expected is not None
        assert text == (str(expected) if is_told else None)
    assert "longest_formula" not in found.to_arrow().column_names
    position = next(at for at, each in enumerate(wanted) if each is not None)
    shown = simple.take([position])._repr_html_()
    assert html.escape(wanted[position].to_words()) in shown


def test_the_others_follow_in_their_order(found, simple):
    for position in range(len(found)):
        label, *others = simple.formulas[position]
        searched = [each for each in found.formulas[position] if each != label]
        assert others == (searched + [None] * len(others))[: len(others)]


def test_alternatives_are_those_not_shown_to_be_worse_than_the_label(
    found, simple, activations, concepts
):
    samples = found.held_out.samples
    for position in np.flatnonzero(found.has_formula)[::4].tolist():
        ranks = ij.core.ranking.rank_host(activations[samples, position])
        bounds = delong.group_bounds(ranks.midranks)
        label, *others = simple.formulas[position]
        influences = [
            delong.influences(each.evaluate(concepts)[samples][ranks.order], *bounds)
            for each in (label, *others)
            if each is not None
        ]
        for rank, influence in enumerate(influences[1:], 1):
            variance = np.square(influence - influences[0]).sum()
            found_variance = simple.held_out.differences[position, -1, rank, -1]
            assert found_variance == pytest.approx(variance, abs=1e-12)
            scores = simple.held_out.scores[position]
            worse = worse_by(simple, scores[rank], scores[0])
            is_within = worse <= delong.QUANTILE * np.sqrt(variance)
            assert simple.held_out.is_alternative[position, rank] == is_within


def test_undone_it_is_what_was_found(found, simple):
    back = simple.at_length(found.max_length)
    assert back.label_lengths is None
    assert back.to_arrow(all_ranks=True).equals(found.to_arrow(all_ranks=True))
    again = simple.simplest(0.01)
    assert again.to_arrow(all_ranks=True).equals(simple.to_arrow(all_ranks=True))


def test_fewer_neurons_and_shorter_searches_are_simple_too(found, simple):
    chosen = [7, 30, 2]
    np.testing.assert_array_equal(
        found.take(chosen).simplest().label_lengths, simple.label_lengths[chosen]
    )
    assert (
        simple.take(chosen).to_arrow().equals(found.take(chosen).simplest().to_arrow())
    )
    assert (found.at_length(2).simplest().label_lengths <= 2).all()
    assert (found.at_length(1).simplest().label_lengths == 1).all()


def test_a_null_judges_each_label_by_its_own_length(found, simple, concepts):
    null = ij.null_distribution(concepts, found, num_draws=200, key=0, options=QUIET)
    judged = simple.with_null(null)
    by_length = [
        found.with_null(null).at_length(length).p_search for length in (1, 2, 3)
    ]
    own = np.choose(simple.label_lengths - 1, by_length)
    np.testing.assert_array_equal(judged.p_search, own)
    kept = ~np.isnan(own)
    adjusted = ij.explanations.significance.q_values(own)
    np.testing.assert_array_equal(judged.q_value[kept], adjusted[kept])
    # The other way around it is the same.
    np.testing.assert_array_equal(found.with_null(null).simplest().p_search, own)
    # q-values stay those over all.
    few = judged.take(np.arange(5))
    np.testing.assert_array_equal(few.q_value, judged.q_value[:5])


def test_without_held_out_samples_the_searched_scores_choose(activations, concepts):
    found = explain(activations, concepts)
    simple = found.simplest(0.02)
    scores = np.stack([found.at_length(n).scores[:, 0] for n in (1, 2, 3)], 1)
    for position in np.flatnonzero(found.has_formula).tolist():
        good = scores[position] >= scores[position, -1] - 0.02
        assert simple.label_lengths[position] == 1 + np.argmax(good)
    null = ij.null_distribution(concepts, found, num_draws=100, key=0, options=QUIET)
    # The same samples chose the length: the p-value is that of the full search.
    np.testing.assert_array_equal(
        simple.with_null(null).p_search, found.with_null(null).p_search
    )


@pytest.mark.parametrize("metric", ["average_precision", "harmonic_auc_0.01"])
def test_another_metric_takes_the_shortest_that_is_near_the_best(found, metric):
    lengths = found.simplest(0.02, metric=metric).label_lengths
    values = found.panel.by_length(metric)
    for position in np.flatnonzero(found.has_formula).tolist():
        if np.isnan(values[position]).all():
            assert lengths[position] == 3
            continue
        near = values[position] >= np.nanmax(values[position]) - 0.02
        assert lengths[position] == 1 + np.argmax(near)


def test_another_metric_needs_the_panel_and_to_be_one_of_it(
    found, activations, concepts
):
    with pytest.raises(ValueError, match="`metric` must be 'auroc', 'average"):
        found.simplest(metric="mad")
    without = explain(activations, concepts)
    with pytest.raises(ValueError, match="needs the panel: explain"):
        without.simplest(metric="f1")
    panel = without.with_panel(activations, concepts)
    assert panel.simplest(metric="f1").label_lengths.max() <= 3


def test_no_tolerance_but_one_in_0_and_1(found):
    for tolerance in (-0.1, 1.5, float("nan")):
        with pytest.raises(ValueError, match="`tolerance` must be in"):
            found.simplest(tolerance)


def test_it_is_a_result_like_any_other(found, simple, concepts, activations, tmp_path):
    simple.save(tmp_path / "simple")
    read = ij.Explanations.load(tmp_path / "simple")
    assert read.to_arrow(all_ranks=True).equals(simple.to_arrow(all_ranks=True))
    np.testing.assert_array_equal(read.label_lengths, simple.label_lengths)
    assert read.at_length(3).to_arrow().equals(found.to_arrow())
    outcomes = np.where(simple.has_formula, "kept", "unlabeled")
    assert sorted(ij.compare(read, simple).outcome) == sorted(outcomes)
    name = simple.formula(20).names[0]
    assert 20 in simple.neurons_for(name)
    without = ij.scores_without(simple, activations, concepts)
    assert without.shape == (len(simple), simple.max_length)
    assert simple.formula(20).to_words() in str(simple.unit(20))


def test_intervals_of_simple_labels_cover_the_truth():
    """In 95 of 100 cases: the AUROC over many samples that are not used otherwise."""
    rng = np.random.default_rng(5)
    num_samples, count = 21_000, 150
    masks = rng.random((num_samples, 10)) < 0.3
    signal = masks[:, rng.integers(10, size=(3, count))].sum(1) >= 2
    values = (signal + rng.normal(size=signal.shape)).astype(np.float32)
    concepts = ij.Concepts.from_masks(masks, [f"c{k}" for k in range(10)])
    used, rest = np.arange(1000), np.arange(1000, num_samples)
    labels = explain(
        values[used], concepts.take(used), min_fraction=0.05, holdout=0.5, key=0
    )
    for chosen in (labels.simplest(), labels):
        low, high = chosen.held_out.intervals[:, 0].T
        truths = [
            ij.auroc(
                values[rest][:, [neuron]],
                chosen.formula(neuron).evaluate(concepts)[rest, None],
                options=QUIET,
            ).item()
            for neuron in range(count)
        ]
        covered = (low <= truths) & (truths <= high)
        assert 0.9 <= covered.mean() <= 0.99
    assert len(set(labels.simplest().label_lengths.tolist())) > 1


def test_q_values_are_over_all_neurons_or_refused(found, concepts):
    null = ij.null_distribution(concepts, found, num_draws=99, key=0, options=QUIET)
    tested = found.with_null(null)
    some = np.flatnonzero(found.has_formula)[:3]
    with pytest.raises(ValueError, match=r"must come before `take`.*all 40 .* 3 are"):
        tested.take(some).simplest()
    wanted = tested.simplest().take(some)
    again = found.simplest().with_null(null).take(some)
    np.testing.assert_array_equal(wanted.q_value, again.q_value)
    # A null of the neurons that are left is over these.
    assert found.take(some).with_null(null).simplest().q_value.shape == (3,)


def test_where_no_held_out_sample_judges_the_p_is_that_of_the_full_length():
    rng = np.random.default_rng(0)
    masks = rng.random((60, 6)) < 0.3
    concepts = ij.Concepts.from_masks(masks, [f"c{k}" for k in range(6)])
    noise = rng.normal(size=(60, 80)).astype(np.float32)
    with pytest.warns(ij.FewPositivesWarning):
        labels = explain(noise, concepts, min_fraction=0.05, holdout=0.3, key=1)
    null = ij.null_distribution(concepts, labels, num_draws=99, key=0, options=QUIET)
    tested = labels.with_null(null)
    simple = tested.simplest()
    unjudged = np.isnan(labels.held_out.scores[:, 0]) & (simple.label_lengths < 3)
    assert unjudged.any()
    np.testing.assert_array_equal(simple.p_search[unjudged], tested.p_search[unjudged])


def test_of_no_neurons_it_comes_back_from_json(found, tmp_path):
    none = found.simplest().take([])
    none.export(tmp_path / "none.json")
    again = ij.Explanations.load(tmp_path / "none.json")
    assert again.literals.shape == none.literals.shape
    assert again.label_lengths is not None and not len(again.label_lengths)


def test_planted_single_concepts_are_found_again(rng):
    """At least 85 of 100, of concepts of all sizes."""
    num_samples, count = 2000, 60
    masks = rng.random((num_samples, 20)) < rng.uniform(0.05, 0.4, 20)
    concepts = ij.Concepts.from_masks(masks, [f"c{k}" for k in range(20)])
    planted = np.arange(count) % 20
    noise = rng.normal(size=(num_samples, count))
    values = (1.5 * masks[:, planted] + noise).astype(np.float32)
    found = explain(values, concepts, min_fraction=0.03, holdout=0.5, key=0)
    labels = [str(formulas[0]) for formulas in found.simplest().formulas]
    is_found = [label == f"c{k}" for label, k in zip(labels, planted, strict=True)]
    assert np.mean(is_found) >= 0.85
    longest = [str(formulas[0]) for formulas in found.formulas]
    assert np.mean([a == f"c{k}" for a, k in zip(longest, planted, strict=True)]) < 0.5


def test_planted_pairs_whose_second_concept_counts_keep_both(rng):
    """At least 90 of 100, where it is worth .05 and holds on 50 held-out samples."""
    num_samples, count = 4000, 30
    masks = rng.random((num_samples, 8)) < 0.3
    concepts = ij.Concepts.from_masks(masks, NAMES)
    pairs = [(k % 8, (k + 1 + k // 8) % 8) for k in range(count)]
    both = np.stack([masks[:, one] & masks[:, other] for one, other in pairs], 1)
    values = (1.5 * both + rng.normal(size=both.shape)).astype(np.float32)
    found = explain(values, concepts, min_fraction=0.02, holdout=0.5, key=0).simplest()
    kept = [
        set(pair) <= {NAMES.index(name) for name in formula.names}
        for pair, (formula, *_) in zip(pairs, found.formulas, strict=True)
    ]
    assert np.mean(kept) >= 0.9
