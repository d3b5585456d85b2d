"""The search where numbers are largest, closest together or equal in masses."""

import os
import subprocess
import sys
from fractions import Fraction
from functools import partial

import jax
import numpy as np
import pytest

from invert_jax.core.exact import MAX_SAMPLES
from invert_jax.core.objectives.auroc import AUROC
from invert_jax.core.search.layout import Layout, choose_layout
from invert_jax.engine import programs
from tests.core import search_problems
from tests.core.search_problems import Rows, expected_of_rows, free_limits, solve_rows
from tests.repository import ROOT


def check(rows, limits, layout=None):
    assert rows.sums.sum(1).tolist() == [0] * len(rows.sums)
    found = solve_rows(rows, limits, layout=layout)
    assert found == expected_of_rows(rows, limits)
    return found


def test_the_definition_on_rows_is_that_on_samples(rng):
    """The reference below agrees with the oracle where both can be asked."""
    values = rng.integers(6, size=(40, 2)).astype(np.float32)
    masks = rng.random((40, 4)) < 0.4
    limits = free_limits(40, min_positives=3, max_positives=30)
    rows, columns = search_problems.compress(values, masks)
    assert len(columns) == 4
    assert expected_of_rows(rows, limits) == search_problems.expected(
        values, masks, limits
    )


LAYOUT = Layout(num_limbs=2, num_chunks=1, rows_per_chunk=32)
TEN_MILLION = free_limits(10_000_000, max_positives=5_000_000, list_size=4)
# Of all problems of so many samples, so that they share one program.
WIDEST = Layout(num_limbs=4, num_chunks=1, rows_per_chunk=64)


def ten_million_samples(rng, num_levels):
    masks = search_problems.distinct_rows(rng, num_rows=40, num_concepts=6)
    return search_problems.graded_rows(
        rng,
        num_samples=TEN_MILLION.num_samples,
        row_masks=masks,
        num_levels=num_levels,
        num_neurons=3,
    )


@pytest.mark.parametrize("num_levels", [2, 1000], ids="levels={}".format)
def test_ten_million_samples_are_searched_exactly(rng, num_levels):
    check(ten_million_samples(rng, num_levels), TEN_MILLION, WIDEST)


def bits_of_results():
    """Every field that the search and the ranks return, byte by byte."""
    rng = np.random.default_rng(0)
    weights, table = search_problems.pack_rows(ten_million_samples(rng, 1000), WIDEST)
    search = search_problems.searcher(AUROC, TEN_MILLION.limits)
    found = search(weights, np.ones(len(weights), bool), table, TEN_MILLION.bounds)
    activations = rng.integers(-50, 50, 1000).astype(np.float16)
    rank = jax.jit(
        partial(programs.rank_rows, layout=LAYOUT, num_rows=7, negative=True)
    )
    ranked = rank(activations, rng.integers(7, size=1000).astype(np.int32))
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves((found, ranked))]
    assert all(leaf.dtype.itemsize == 4 for leaf in leaves)
    return [leaf.tobytes().hex() for leaf in leaves]


def test_64_bits_turned_on_or_off_give_the_same_bits():
    script = (
        "import jax.numpy as jnp; assert jnp.arange(1).itemsize == 8;"
        f"from {__name__} import bits_of_results as bits; print(*bits())"
    )
    printed = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, "JAX_ENABLE_X64": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed.split() == bits_of_results()


def test_the_largest_sums_of_the_most_samples_are_searched_exactly():
    """The upper half of all samples against the lower half: |S| = N**2 / 4."""
    half = MAX_SAMPLES // 2
    masks = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 0, 0]], bool)
    counts = np.array([half - 1, 1, 1, half - 1])
    # Midranks by increasing activation: -(N - 1), ..., N - 1 in steps of 2.
    sums = np.array([(half - 1) ** 2, 2 * half - 1, 1 - 2 * half, -((half - 1) ** 2)])
    rows = Rows(np.stack((sums, -sums)), masks, counts)
    (up, down) = check(rows, free_limits(MAX_SAMPLES, max_positives=half, list_size=2))
    assert up[0][0].literals == (0,) and up[0][0].score == 1
    assert down[0][0].literals == (1,) and down[0][0].score == 1


def test_supports_of_one_sample_in_ten_million_are_searched_exactly(rng):
    num_samples, num_concepts = TEN_MILLION.num_samples, 6
    masks = np.eye(num_concepts + 1, num_concepts, dtype=bool)
    counts = np.append(np.ones(num_concepts, np.int64), num_samples - num_concepts)
    places = rng.choice(num_samples, (3, num_concepts), replace=False)
    sums = 2 * places + 1 - num_samples
    sums = np.concatenate((sums, -sums.sum(1, keepdims=True)), axis=1)
    found = check(Rows(sums, masks, counts), TEN_MILLION, WIDEST)
    assert {steps[0][0].num_positives for steps in found} == {1}


def test_thousands_of_rows_and_a_list_shorter_than_the_ties_are_searched_exactly(rng):
    """Rows in many chunks, and concepts in more groups than are sorted."""
    masks = rng.random((9000, 40)) < rng.uniform(0.001, 0.5, 40)
    values = rng.integers(3, size=(9000, 2)).astype(np.float32)
    rows, columns = search_problems.compress(values, masks)
    assert (
        len(columns) == 40 and choose_layout(rows.counts, len(columns)).num_chunks > 8
    )
    check(rows, free_limits(9000, min_positives=20, max_positives=4500, list_size=2))


def close_together(seed, *, num_concepts=64, num_samples=MAX_SAMPLES):
    """Disjoint concepts whose AUROC differ by less than float32 can tell."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(num_samples // 400, num_samples // 200, num_concepts)
    target = Fraction(3, 10)
    sums = np.array([round(target * int(n) * (num_samples - int(n))) for n in counts])
    sums += rng.integers(-(2**14), 2**14, num_concepts)
    masks = np.eye(num_concepts + 1, num_concepts, dtype=bool)
    rest = num_samples - counts.sum()
    return Rows(np.append(sums, -sums.sum())[None], masks, np.append(counts, rest))


def float32_and_exact_scores(rows):
    num_samples, num_concepts = int(rows.counts.sum()), rows.masks.shape[1]
    sums, counts = rows.sums[0, :num_concepts], rows.counts[:num_concepts]
    positives = counts.astype(np.float32)
    pairs = positives * (np.float32(num_samples) - positives)
    exact_scores = [
        Fraction(int(s), int(n) * (num_samples - int(n)))
        for s, n in zip(sums, counts, strict=True)
    ]
    return sums.astype(np.float32) / pairs, exact_scores


def best_of(rows):
    _, scores = float32_and_exact_scores(rows)
    return max(range(len(scores)), key=scores.__getitem__)


@pytest.fixture(scope="module")
def misleading():
    """A case whose best concept float32 puts behind two others, the better one first.

    One that looks at them in that order, one by one, and stops at the first that does
    not improve, never sees the best.
    """
    for seed in range(200):
        rows = close_together(seed)
        approximate, scores = float32_and_exact_scores(rows)
        first, second, *_ = order = np.argsort(-approximate, kind="stable").tolist()
        falls = approximate[first] > approximate[second]
        if order.index(best_of(rows)) > 5 and falls and scores[first] > scores[second]:
            return rows
    raise AssertionError("no such case among the seeds")


ONE_AT_A_TIME = free_limits(MAX_SAMPLES, max_length=2, beam_size=1, list_size=1)


def test_scores_closer_than_float32_can_tell_are_decided_exactly(misleading):
    found = check(misleading, ONE_AT_A_TIME)
    assert found[0][0][0].literals == (2 * best_of(misleading),)


def test_without_its_margin_the_search_would_be_misled(misleading):
    """The case above has teeth: the list ends before the best is listed."""
    blind = AUROC._replace(margin=0.0)
    found = solve_rows(misleading, ONE_AT_A_TIME, objective=blind)
    assert found[0][0][0].literals != (2 * best_of(misleading),)


MANY_CLASSES = free_limits(1400, min_positives=2, max_positives=700)


def nearly_silent(num_classes, class_size, num_neurons):
    """One row per class; the one active sample of a neuron is in its own class."""
    num_samples = num_classes * class_size
    sums = np.full((num_neurons, num_classes), -class_size)
    # The active sample takes N - 1, and its class lacks one of the -1 of the others.
    np.fill_diagonal(sums, num_samples - 1 - (class_size - 1))
    masks = np.eye(num_classes, dtype=bool)
    return Rows(sums, masks, np.full(num_classes, class_size))


def test_thousands_of_candidates_of_equal_score_are_kept_in_canonical_order():
    rows = nearly_silent(num_classes=700, class_size=2, num_neurons=2)
    found = check(rows, MANY_CLASSES)
    assert found[0][0][0].literals == (0,)
    assert found[1][0][0].literals == (2,)


def test_a_silent_neuron_over_many_equal_classes_keeps_the_first_of_them():
    rows = Rows(np.zeros((2, 700), int), np.eye(700, dtype=bool), np.full(700, 2))
    for steps in check(rows, MANY_CLASSES):
        # Equal scores: of single classes the first, then none that is longer.
        assert [[a.literals for a in beam] for beam in steps] == [
            [(0,), (2,), (4,)]
        ] * 3


def test_classes_that_all_lack_the_active_sample_are_told_apart_by_their_size(rng):
    """Equal scores of different sizes, where only the size decides."""
    counts = 1 + rng.multinomial(700, rng.dirichlet(np.ones(700)))
    rows = Rows(np.zeros((2, 700), int), np.eye(700, dtype=bool), counts)
    check(rows, MANY_CLASSES)
