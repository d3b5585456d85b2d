"""The whole beam after every step, against the oracle and against laws."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from invert_jax.core.objectives.auroc import AUROC
from invert_jax.core.search.layout import Layout
from tests.core import search_problems
from tests.core.search_problems import (
    Answer,
    Problem,
    Rows,
    expected,
    free_limits,
    solve,
)

NUM_SAMPLES, NUM_CONCEPTS, NUM_NEURONS = 60, 6, 12
FREE = free_limits(NUM_SAMPLES)
LONG = free_limits(NUM_SAMPLES, max_length=4, beam_size=5, list_size=1)
BOUNDED = free_limits(NUM_SAMPLES, min_positives=6, max_positives=30, list_size=4)
# All small problems have this layout, so that each of the settings compiles once.
SMALL = Layout(num_limbs=1, num_chunks=1, rows_per_chunk=64, num_concepts=9)


def levels(rng, num_levels, num_samples=NUM_SAMPLES, num_neurons=NUM_NEURONS):
    shape = (num_samples, num_neurons)
    return rng.integers(num_levels, size=shape).astype(np.float32)


def sparse_levels(rng):
    """More than 90 % ties, as after a ReLU."""
    values = rng.normal(size=(NUM_SAMPLES, NUM_NEURONS)).astype(np.float32) - 1.5
    return np.maximum(values, 0)


def independent(rng, density=0.4):
    return rng.random((NUM_SAMPLES, NUM_CONCEPTS)) < density


def complementary(rng):
    masks = independent(rng)
    masks[:, 1::2] = ~masks[:, ::2]
    return masks


def nested(rng):
    """Each concept lies inside the one before it."""
    sizes = np.array([48, 36, 24, 12, 6, 3])
    order = rng.permutation(NUM_SAMPLES)
    return np.expand_dims(order, 1) < np.expand_dims(sizes, 0)


def disjoint(rng):
    """Classes, of which each sample has at most one."""
    label = rng.integers(NUM_CONCEPTS + 1, size=NUM_SAMPLES)
    return np.expand_dims(label, 1) == np.arange(NUM_CONCEPTS)


def classes_and_groups(rng):
    """Four classes and two groups of them: most candidates equal another."""
    label = rng.integers(5, size=NUM_SAMPLES)
    classes = np.expand_dims(label, 1) == np.arange(4)
    groups = np.stack((label < 2, label < 3), axis=1)
    return np.concatenate((classes, groups), axis=1)


def constant_and_repeated(rng):
    masks = independent(rng)
    useless = (masks[:, 2], np.zeros(NUM_SAMPLES, bool), np.ones(NUM_SAMPLES, bool))
    return np.insert(masks, [1, 3, 5], np.stack(useless, axis=1), axis=1)


def single_samples(rng):
    order = rng.permutation(NUM_SAMPLES)
    return np.expand_dims(order, 1) == np.arange(NUM_CONCEPTS)


def check(activations, masks, limits, **choices):
    layout = choices.pop("layout", SMALL)
    found = solve(activations, masks, limits, layout=layout, **choices)
    assert found == expected(activations, masks, limits, **choices)
    return found


def test_a_formula_by_hand():
    """Inside A the two highest are those outside B; max_positives forbids ~B."""
    activations = np.array([[1, 2, 3, 0, 5, 6]], np.float32).T
    masks = np.array([[0, 0, 0, 1, 1, 1], [1, 0, 0, 1, 0, 0]], bool).T
    limits = free_limits(6, max_positives=3, max_length=2, beam_size=1)
    ((first, second),) = solve(activations, masks, limits)
    assert first == [Answer((0,), (), 3, Fraction(6, 9))]
    assert second == [Answer((0, 3), (0,), 2, Fraction(1))]


@pytest.mark.parametrize("limits", [FREE, BOUNDED], ids=["free", "bounded"])
@pytest.mark.parametrize("sign", ["positive", "negative"])
@pytest.mark.parametrize("num_levels", [2, 5, 1000], ids="levels={}".format)
def test_the_beam_is_that_of_the_oracle(rng, num_levels, sign, limits):
    for density in (0.1, 0.4, 0.8):
        check(levels(rng, num_levels), independent(rng, density), limits, sign=sign)


@pytest.mark.parametrize("limits", [FREE, BOUNDED], ids=["free", "bounded"])
@pytest.mark.parametrize(
    "concepts",
    [complementary, nested, disjoint, classes_and_groups, constant_and_repeated,
     single_samples],
    ids=lambda concepts: concepts.__name__,
)  # fmt: skip
def test_the_beam_is_that_of_the_oracle_where_most_candidates_are_duplicates(
    rng, concepts, limits
):
    for activations in (levels(rng, 2), levels(rng, 9), sparse_levels(rng)):
        check(activations, concepts(rng), limits)


def test_a_list_of_one_candidate_gives_the_beam_of_the_oracle(rng):
    for num_levels in (1, 2, 4, 1000):
        check(levels(rng, num_levels), independent(rng), LONG)


@pytest.mark.parametrize("density", [0.3, 0.7])
def test_hundreds_of_tiny_problems_full_of_equal_scores_are_searched_exactly(
    rng, density
):
    limits = free_limits(7, list_size=1, num_usable=99)
    for num_levels in (2, 3, 7):
        masks = rng.random((7, 3)) < density
        masks[:3] = np.eye(3)
        values = levels(rng, num_levels, num_samples=7, num_neurons=300)
        check(values, masks, limits, layout=Layout(1, 1, 32))


def test_extensions_use_only_the_concepts_of_largest_separation(rng):
    limits = FREE._replace(num_usable=2)
    found = check(levels(rng, 3), independent(rng), limits)
    for steps in found:
        used = {q // 2 for answer in steps[-1] for q in answer.literals[1:]}
        assert len(used) <= 2


def test_a_beam_wider_than_the_candidates_holds_all_of_them(rng):
    limits = free_limits(NUM_SAMPLES, max_length=3, beam_size=40)
    masks = independent(rng)[:, :2]
    found = check(levels(rng, 3), masks, limits)
    # Two concepts make 16 supports: two are constant, and two need both twice.
    assert {len(steps[-1]) for steps in found} == {12}


def test_one_concept_gives_itself_and_its_negation(rng):
    found = check(levels(rng, 9), independent(rng)[:, :1], FREE)
    assert all(len(beam) == 2 for steps in found for beam in steps)


def test_two_samples_are_searched():
    activations = np.array([[1, 2], [2, 1]], np.float32)
    masks = np.array([[True], [False]])
    found = check(activations, masks, free_limits(2), layout=None)
    assert [steps[0][0].literals for steps in found] == [(1,), (0,)]


def test_bounds_that_no_mask_meets_leave_the_beam_empty(rng):
    masks = single_samples(rng)
    found = check(levels(rng, 9), masks, BOUNDED)
    assert all(beam == [] for steps in found for beam in steps)


def test_a_neuron_that_is_constant_keeps_the_beam_in_its_order(rng):
    check(np.zeros((NUM_SAMPLES, NUM_NEURONS), np.float32), independent(rng), FREE)


def test_a_neuron_that_is_not_active_is_not_searched(rng):
    rows, _ = search_problems.compress(levels(rng, 5), independent(rng))
    wanted = search_problems.solve_rows(rows, FREE, layout=SMALL)
    is_active = np.arange(NUM_NEURONS) % 3 != 1
    found = search_problems.solve_rows(rows, FREE, layout=SMALL, is_active=is_active)
    for neuron, steps in enumerate(found):
        assert steps == (wanted[neuron] if is_active[neuron] else [[], [], []])


def test_increasing_maps_of_the_activations_change_nothing(rng):
    values, masks = levels(rng, 30), independent(rng)
    wanted = solve(values, masks, FREE, layout=SMALL)
    assert len({str(steps) for steps in wanted}) == NUM_NEURONS
    for mapped in (
        np.exp(values.astype(np.float64)),
        values.astype(np.int8) - 100,
        (values * np.float32(1e-44)),
        (values / 32 - 1).astype(np.float16),
    ):
        assert solve(mapped, masks, FREE, layout=SMALL) == wanted


def test_permuting_the_samples_or_the_rows_changes_nothing(rng):
    values, masks = levels(rng, 30), independent(rng)
    wanted = solve(values, masks, FREE, layout=SMALL)
    order = rng.permutation(NUM_SAMPLES)
    assert solve(values[order], masks[order], FREE, layout=SMALL) == wanted
    rows, _ = search_problems.compress(values, masks)
    order = rng.permutation(len(rows.counts))
    shuffled = Rows(rows.sums[:, order], rows.masks[order], rows.counts[order])
    assert search_problems.solve_rows(shuffled, FREE, layout=SMALL) == wanted


def test_cutting_the_rows_into_chunks_changes_nothing(rng):
    values, masks = levels(rng, 30), independent(rng)
    wanted = solve(values, masks, FREE, layout=SMALL)
    assert solve(values, masks, FREE, layout=Layout(3, 2, 32)) == wanted


@pytest.mark.parametrize("num_concepts", [1, 2, 31, 32, 33, 48, 49, 65])
def test_room_for_more_concepts_and_rows_changes_nothing(rng, num_concepts):
    """Of every size up to and past that of a program, against the oracle."""
    masks = rng.random((40, num_concepts)) < 0.4
    values = levels(rng, 4, num_samples=40, num_neurons=3)
    problem = free_limits(40, max_length=2, max_positives=25)
    for layout in (None, Layout(2, 4, 32, num_concepts=48)):
        check(values, masks, problem, layout=layout)


def test_samples_bounds_and_number_of_literals_are_values_of_one_program(rng):
    problem = Problem(0, 0, 0, max_length=2, beam_size=4, num_usable=0)
    program = search_problems.searcher(AUROC, problem.limits)
    before = program._cache_size()
    for num_samples in (30, 41, 60, 64):
        masks = rng.random((num_samples, 6)) < 0.4
        values = levels(rng, 5, num_samples=num_samples, num_neurons=3)
        for smallest, largest, usable in ((1, num_samples - 1, 2), (5, 20, 6)):
            changed = problem._replace(
                num_samples=num_samples,
                min_positives=smallest,
                max_positives=largest,
                num_usable=usable,
            )
            check(values, masks, changed)
    assert program._cache_size() - before == 1


def test_permuting_the_neurons_or_searching_them_alone_changes_nothing(rng):
    values, masks = levels(rng, 30), independent(rng)
    wanted = solve(values, masks, FREE, layout=SMALL)
    backwards = solve(values[:, ::-1], masks, FREE, layout=SMALL)
    assert backwards[::-1] == wanted
    rows, _ = search_problems.compress(values, masks)
    answers = [
        search_problems.solve_rows(rows._replace(sums=one[None]), FREE, layout=SMALL)
        for one in rows.sums
    ]
    assert [one for (one,) in answers] == wanted


def support_of(answer, masks):
    """The mask of a formula, by its meaning."""
    columns = [masks[:, q // 2] ^ bool(q % 2) for q in answer.literals]
    mask = columns[0]
    for operator, column in zip(answer.operators, columns[1:], strict=True):
        mask = mask | column if operator else mask & column
    return mask


def test_every_formula_holds_on_its_support(rng):
    values, masks = levels(rng, 5), independent(rng)
    for steps in solve(values, masks, FREE, layout=SMALL):
        for beam in steps:
            supports = [support_of(answer, masks) for answer in beam]
            assert [int(s.sum()) for s in supports] == [a.num_positives for a in beam]
            assert len({s.tobytes() for s in supports}) == len(beam)


def test_permuting_the_concepts_changes_nothing_but_the_last_tie_break(rng):
    masks = independent(rng)
    order = rng.permutation(NUM_CONCEPTS)
    # Without ties of score and size the supports are the same after every step.
    values = rng.normal(size=(NUM_SAMPLES, NUM_NEURONS)).astype(np.float32)
    pair = ((solve(values, m, FREE, layout=SMALL), m) for m in (masks, masks[:, order]))
    untied, permuted = (
        [
            [[(a.score, support_of(a, m).tolist()) for a in beam] for beam in steps]
            for steps in found
        ]
        for found, m in pair
    )
    assert untied == permuted
    # With them the scores and sizes of the first step are.
    values = levels(rng, 2)
    first, second = (
        [
            [(a.score, a.num_positives) for a in steps[0]]
            for steps in solve(values, m, FREE, layout=SMALL)
        ]
        for m in (masks, masks[:, order])
    )
    assert first == second


def test_the_best_score_never_falls_from_step_to_step(rng):
    for steps in solve(levels(rng, 6), independent(rng), LONG, layout=SMALL):
        for shorter, longer in itertools.pairwise(steps):
            assert len(longer) >= len(shorter)
            for before, after in zip(shorter, longer, strict=False):
                assert after.score >= before.score
