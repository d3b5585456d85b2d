"""What `bench_meaning.py` says of labels, on words that are made up."""

import numpy as np
import pytest

import invert_jax as ij
from tests.benchmarks.test_ewt import ewt, imported

for needed in ("timing", "report"):
    imported(needed)
meaning = imported("bench_meaning")

NUM_WORDS, NUM_DOCUMENTS = 6000, 120


@pytest.fixture(scope="module")
def corpus():
    """Words with concepts that are independent of each other, some of them rare."""
    rng = np.random.default_rng(0)
    masks = rng.random((NUM_WORDS, 14)) < np.linspace(0.02, 0.5, 14)
    ids = np.array([f"s{word}@1" for word in range(NUM_WORDS)])
    names = [f"kind{place % 3}={place}" for place in range(14)]
    empty = np.zeros(NUM_WORDS, int)
    return ewt.Corpus(
        ids, ids, empty, empty, np.arange(NUM_WORDS) * NUM_DOCUMENTS // NUM_WORDS,
        ids, ij.Concepts.from_masks(masks, names, ids=ids),
    )  # fmt: skip


@pytest.fixture(scope="module")
def layer(corpus):
    """Three neurons: of a concept, of one that others outdo at the top, of nothing."""
    rng = np.random.default_rng(1)
    values = rng.normal(size=(NUM_WORDS, 3)).astype(np.float32)
    masks = corpus.concepts.masks()
    # Hardly better told by `5 & ~0`.
    signal = masks[:, 5] * (1 - 0.75 * masks[:, 0])
    values[:, 0] += 4 * signal
    values[:, 1] += 1.5 * signal
    # A hundred words without it are higher than all with it.
    values[np.flatnonzero(~masks[:, 5])[::50], 1] += 20
    return ij.Activations(values, ids=corpus.ids, layer="made_up")


def test_a_label_is_seen_at_the_top_where_it_holds_there(corpus, layer):
    labels = meaning.explained(corpus, layer, num_words=50).simplest()
    assert [f[0].names for f in labels.formulas[:2]] == [("kind2=5",)] * 2
    assert labels.held_out.scores[1, 0] > 0.8
    assert meaning.seen_at_top(labels).tolist() == [True, False, False]
    found = meaning.measured(labels)
    assert found["misses_top"][:2].tolist() == [False, True]
    assert found["length"][:2].tolist() == [1, 1]


def test_a_label_that_holds_nearly_everywhere_is_not_seen_at_the_top(corpus):
    common = (np.arange(NUM_WORDS) % 10 > 0)[:, None]
    values = 3 * common + np.random.default_rng(2).normal(size=common.shape)
    table = ij.Concepts.from_masks(common, ["common"], ids=corpus.ids)
    labels = meaning.explained(
        corpus._replace(concepts=table), values, num_words=50, max_fraction=0.95
    )
    assert labels.panel["precision_at_top"][0] == 1
    assert not meaning.seen_at_top(labels)[0]


def test_labels_are_judged_on_other_words_as_on_their_own(corpus, layer):
    labels = meaning.explained(corpus, layer, num_words=50)
    again = meaning.judged_on(corpus, layer, labels, labels.held_out.samples)
    assert np.array_equal(again.held_out.scores, labels.held_out.scores)
    assert np.array_equal(again.panel.values, labels.panel.values, equal_nan=True)
    halves = dict(meaning.on_halves(corpus, layer, labels))
    assert halves["longest"]["length"][:2].tolist() == [2, 2]
    assert halves[f"simplest by {meaning.METRIC}"]["length"][:2].tolist() == [1, 1]


def test_rows_have_each_way_and_shares_of_all_neurons(corpus, layer):
    rows = meaning.label_rows(corpus, {"first": layer, "second": layer}, step=2)
    assert len(rows) == 2 * 3 + 2 * 2
    for row in rows.values():
        assert sum(row["lengths"]) == 4
    base = rows["at least 50 words, longest"]
    assert base["seen"] == 0.5 and base["lengths"][0] == 0
    assert rows["at least 50 words, simplest"]["lengths"][0] >= 2


def test_planted_concepts_are_found(corpus):
    found = meaning.planted_rows(corpus, seed=0)
    assert found["num_singles"] > 5 and found["num_pairs"] > 20
    assert found["singles_found"] >= 0.85 > found["singles_found_by_longest"]
    assert found["pairs_kept"] >= 0.9


def test_larger_bounds_give_labels_that_hold_on_more_words(corpus, layer, monkeypatch):
    monkeypatch.setattr(meaning, "BOUNDS", (50, 900))
    few, many = meaning.bound_rows(corpus, layer, step=1).values()
    assert sum(few["lengths"]) == sum(many["lengths"]) == 3
    # At least 900 of about 3,000 words: the planted concept is too rare.
    assert few["auroc"] > many["auroc"] and many["rarer_concept"] > 0


def test_intervals_cover_what_lies_in_them(corpus, layer):
    labels = meaning.explained(corpus, layer, num_words=50)
    assert labels.held_out is not None
    held_out = labels.held_out.samples
    values, table = np.asarray(layer.values), corpus.concepts
    # On the very words they are of, the AUROC is the middle.
    assert meaning.covered(labels, values[held_out], table.take(held_out)) == 1
    assert meaning.covered(labels, -values[held_out], table.take(held_out)) < 1
