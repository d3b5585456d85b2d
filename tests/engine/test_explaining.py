import os
import subprocess
import sys
import warnings

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

import invert_jax as ij
from invert_jax.engine.ranked import Ranker
from tests import small_runs
from tests.repository import ROOT
from tests.small_runs import NAMES, NUM_SAMPLES, QUIET, assert_same, beams, explain


@pytest.fixture(scope="module")
def world():
    return small_runs.make_world()


@pytest.fixture(scope="module")
def explanations(world):
    return explain(world.activations, world.concepts)


def test_finds_the_concept_that_a_neuron_is():
    world = small_runs.make_world()
    explanations = explain(world.activations, world.concepts)

    # Neuron 6 is 1 on the 10 multiples of 6 and 0 elsewhere.
    assert str(explanations.formulas[6][0]) == "six"
    assert explanations.scores[6, 0] == 1.0
    assert explanations.num_positives[6, 0] == 10
    assert explanations.status[6] == "labeled"


def test_finds_the_conjunction_that_a_neuron_is(explanations):
    # Neuron 3 is 1 where both hold, and 0 elsewhere.
    assert str(explanations.formulas[3][0]) == 'even & "[wide]"'
    assert explanations.scores[3, 0] == 1.0


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("sign", ["positive", "negative"])
def test_the_whole_beam_is_that_of_the_definition(seed, sign):
    world = small_runs.make_world(seed)
    explanations = explain(world.activations, world.concepts, sign=sign)
    expected = small_runs.expected(world.activations, world.masks, sign=sign)
    expected[4] = [[], [], []]
    assert beams(explanations) == expected


def test_a_beam_wider_than_the_candidates_and_few_literals_follow_the_definition():
    world = small_runs.make_world(1)
    changes = {"beam_size": 40, "num_literals": 4}
    explanations = explain(
        world.activations, world.concepts, **changes, min_fraction=0.0, max_fraction=1.0
    )
    rules = {**changes, "min_positives": 1, "max_positives": NUM_SAMPLES - 1}
    expected = small_runs.expected(world.activations, world.masks, **rules)
    expected[4] = [[], [], []]
    assert beams(explanations) == expected
    assert max(len(steps[0]) for steps in expected) < 40


def test_scores_are_the_mann_whitney_statistic_over_its_maximum(world, explanations):
    for j, r, formula in filled(explanations):
        mask = formula.evaluate(world.concepts)
        u = stats.mannwhitneyu(
            world.activations[mask, j], world.activations[~mask, j]
        ).statistic
        assert explanations.num_positives[j, r] == mask.sum()
        assert explanations.scores[j, r] == u / (mask.sum() * (~mask).sum())
        sklearn = roc_auc_score(mask, world.activations[:, j])
        assert abs(explanations.scores[j, r] - sklearn) <= 1e-12


def filled(explanations):
    return [
        (j, r, formula)
        for j, formulas in enumerate(explanations.formulas)
        for r, formula in enumerate(formulas)
        if formula is not None
    ]


@pytest.mark.parametrize(
    "mapped",
    [
        np.exp,
        lambda x: x**3,
        lambda x: 1e6 * x - 5e5,
        lambda x: np.tanh(x / 100),
        lambda x: stats.rankdata(x, axis=0),
        lambda x: np.where(x < 0, x * 1e-300, x * 1e300),
    ],
    ids=["exp", "cube", "affine", "tanh", "ranks", "extremes"],
)
def test_a_strictly_increasing_map_of_the_activations_changes_nothing(
    world, explanations, mapped
):
    mapped_activations = mapped(world.activations.astype(np.float64))
    assert_same(explain(mapped_activations, world.concepts), explanations)


@pytest.mark.parametrize(
    "dtype",
    [np.float16, ml_dtypes.bfloat16, np.float64, np.int16, np.int32, np.int64],
    ids=lambda dtype: np.dtype(dtype).name,
)
def test_the_dtype_of_the_activations_changes_nothing(world, explanations, dtype):
    activations = (8 * world.activations).astype(dtype)
    assert_same(explain(activations, world.concepts), explanations)


def test_jax_arrays_lists_and_activations_are_the_same(world, explanations):
    for activations in (
        jnp.asarray(world.activations),
        world.activations.tolist(),
        np.asfortranarray(world.activations),
        ij.Activations(world.activations),
    ):
        assert_same(explain(activations, world.concepts), explanations)


def test_permuting_samples_changes_nothing(rng, world, explanations):
    order = rng.permutation(NUM_SAMPLES)
    concepts = ij.Concepts.from_masks(world.masks[order], NAMES)
    assert_same(explain(world.activations[order], concepts), explanations)


def test_permuting_neurons_permutes_the_answers(rng, world, explanations):
    order = rng.permutation(8)
    permuted = explain(world.activations[:, order], world.concepts)
    by_oracle = beams(explanations)
    assert beams(permuted) == [by_oracle[j] for j in order]


def test_permuting_concepts_changes_no_score(rng, world, explanations):
    order = rng.permutation(len(NAMES))
    concepts = ij.Concepts.from_masks(
        world.masks[:, order], [NAMES[column] for column in order]
    )
    permuted = explain(world.activations, concepts)
    for length in (1, 2, 3):
        np.testing.assert_array_equal(
            permuted.at_length(length).scores, explanations.at_length(length).scores
        )


def test_negating_the_activations_reflects_the_scores(world, explanations):
    negated = explain(-world.activations, world.concepts, sign="negative")
    np.testing.assert_array_equal(negated.literals, explanations.literals)
    np.testing.assert_array_equal(negated.operators, explanations.operators)
    np.testing.assert_array_equal(negated.num_positives, explanations.num_positives)
    np.testing.assert_array_equal(negated.rank_sums, -explanations.rank_sums)
    np.testing.assert_array_equal(negated.log10_p, explanations.log10_p)
    np.testing.assert_allclose(negated.scores, 1 - explanations.scores, rtol=1e-14)


def test_a_table_stacked_on_itself_changes_no_score(world, explanations):
    twice = np.concatenate([world.activations, world.activations])
    stacked = explain(twice, world.concepts.stack(world.concepts), max_length=2)
    once = explanations.at_length(2)
    np.testing.assert_array_equal(stacked.scores, once.scores)
    np.testing.assert_array_equal(stacked.literals, once.literals)
    np.testing.assert_array_equal(stacked.num_positives, 2 * once.num_positives)


def test_samples_that_do_not_count_change_nothing(rng, world, explanations):
    where = np.zeros(2 * NUM_SAMPLES, bool)
    where[rng.choice(2 * NUM_SAMPLES, NUM_SAMPLES, replace=False)] = True
    activations = np.full((2 * NUM_SAMPLES, 8), np.nan, np.float32)
    activations[where] = world.activations
    masks = rng.random((2 * NUM_SAMPLES, len(NAMES))) < 0.5
    masks[where] = world.masks
    concepts = ij.Concepts.from_masks(masks, NAMES)
    some = explain(activations, concepts, where=where)
    assert_same(some, explanations)
    assert some.num_samples == NUM_SAMPLES


def test_a_where_that_is_true_everywhere_changes_nothing(world, explanations):
    where = [True] * NUM_SAMPLES
    assert_same(explain(world.activations, world.concepts, where=where), explanations)


def test_neurons_are_explained_in_the_order_asked_for(world, explanations):
    order = [6, 0, 3, 7, 4]
    some = explain(world.activations, world.concepts, neurons=order)
    assert some.neurons.tolist() == order
    assert some.neuron_names == tuple(map(str, order))
    assert_same(some, explanations.take(order))


def test_a_dict_of_layers_gives_a_dict_of_explanations(world, explanations):
    layers = {"first": world.activations, "second": world.activations[:, ::-1]}
    found = explain(layers, world.concepts)
    assert list(found) == ["first", "second"]
    assert [found[name].layer for name in found] == ["first", "second"]
    np.testing.assert_array_equal(found["first"].scores, explanations.scores)
    np.testing.assert_array_equal(found["second"].scores, explanations.scores[::-1])


@pytest.mark.parametrize("sign", ["positive", "negative"])
def test_ranking_on_the_devices_gives_the_same_bits(monkeypatch, world, sign):
    on_host = explain(world.activations, world.concepts, sign=sign)
    monkeypatch.setattr(Ranker, "on_cpu", False)
    assert_same(explain(world.activations, world.concepts, sign=sign), on_host)


def test_settings_of_the_user_change_no_bit(world, explanations):
    with (
        jax.enable_x64(True),
        jax.default_matmul_precision("bfloat16"),
        jax.numpy_dtype_promotion("strict"),
        np.errstate(all="raise"),
    ):
        assert_same(explain(world.activations, world.concepts), explanations)


ON_FOUR_DEVICES = """
import sys, jax
from tests import small_runs
assert len(jax.devices()) == 4
world = small_runs.make_world()
small_runs.explain(world.activations, world.concepts).save(sys.argv[1])
"""


def test_several_devices_give_the_same_bits(tmp_path, explanations):
    run_script(
        ON_FOUR_DEVICES,
        tmp_path / "four",
        XLA_FLAGS="--xla_force_host_platform_device_count=4",
    )
    assert_same(ij.Explanations.load(tmp_path / "four"), explanations)


def run_script(script, *arguments, **variables):
    root = str(ROOT)
    environment = {**os.environ, "PYTHONPATH": root, "JAX_PLATFORMS": "cpu"}
    subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        env={**environment, **variables},
        check=True,
        timeout=300,
    )


@pytest.mark.parametrize("shape", ["one neuron and concept", "one step", "two samples"])
def test_the_smallest_problems_have_the_answers_of_the_definition(rng, shape):
    num_samples, num_concepts, max_length = {
        "one neuron and concept": (30, 1, 3),
        "one step": (30, 4, 1),
        "two samples": (2, 1, 2),
    }[shape]
    masks = rng.random((num_samples, num_concepts)) < 0.4
    masks[:2] = [[True], [False]]
    activations = rng.integers(5, size=(num_samples, 1)).astype(np.int8)
    activations[0] = 9
    changes = {"max_length": max_length, "beam_size": 5, "num_literals": 10}
    names = [f"c{k}" for k in range(num_concepts)]
    concepts = ij.Concepts.from_masks(masks, names)
    explanations = explain(
        activations, concepts, **changes, min_fraction=0.0, max_fraction=1.0
    )
    assert beams(explanations) == small_runs.expected(
        activations, masks, **changes, min_positives=1, max_positives=num_samples - 1
    )


def test_a_neuron_that_is_constant_has_no_formula(explanations):
    assert explanations.status[4] == "constant"
    assert explanations.formulas[4] == [None, None, None]
    assert np.isnan(explanations.scores[4]).all()
    assert np.isnan(explanations.log10_p[4]).all()
    assert (explanations.num_positives[4] == 0).all()


def test_zeros_of_both_signs_are_constant(world):
    activations = world.activations.copy()
    activations[:, 0] = np.where(world.masks[:, 1], -0.0, 0.0)
    assert explain(activations, world.concepts).status[0] == "constant"


def test_bounds_that_nothing_meets_leave_no_candidate(world):
    explanations = explain(
        world.activations, world.concepts, min_fraction=0.991, max_fraction=0.999
    )
    assert (
        explanations.status.tolist()
        == ["no_candidate"] * 4 + ["constant"] + ["no_candidate"] * 3
    )
    assert filled(explanations) == []


def test_concepts_that_never_or_always_hold_are_left_out(explanations):
    assert explanations.left_out == ("never", "always")


def test_concepts_that_hold_on_the_same_samples_are_synonyms(explanations):
    assert explanations.synonyms == {
        "even": ("also even",),
        "inner": ("also inner",),
    }
    used = {name for _, _, formula in filled(explanations) for name in formula.names}
    assert not used & {"also even", "also inner", "never", "always"}


def test_formulas_on_few_samples_are_warned_of_once(world):
    layers = {"first": world.activations, "second": world.activations}
    with pytest.warns(ij.FewPositivesWarning) as warned:
        ij.explain(layers, world.concepts, **small_runs.SETTINGS, options=QUIET)
    assert [str(each.message) for each in warned] == [
        "a formula may hold on as few as 3 of the 60 samples, where noise alone gives "
        "high scores; min_fraction=0.334 asks for 20."
    ]


def test_the_cure_of_the_warning_silences_it(world):
    constant = np.zeros((NUM_SAMPLES, 8))
    # No formula holds on 20.04 samples, so that nothing is searched.
    settings = {**small_runs.SETTINGS, "min_fraction": 0.334, "max_fraction": 0.334}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ij.explain(constant, world.concepts, **settings, options=QUIET)


class TestAuroc:
    def test_by_hand(self):
        activations = np.array([[0.1, 3], [0.4, 3], [0.35, 3], [0.8, 3]])
        masks = np.array([[0, 1, 0], [0, 1, 0], [1, 1, 0], [1, 1, 1]], bool)
        np.testing.assert_array_equal(
            ij.auroc(activations, masks), [[0.75, np.nan, 1.0], [0.5, np.nan, 0.5]]
        )

    def test_is_the_mann_whitney_statistic_over_its_maximum(self, world):
        scores = ij.auroc(world.activations, world.masks)
        assert scores.shape == (8, len(NAMES))
        assert np.isnan(scores[:, [0, 5]]).all()
        for j, k in np.argwhere(np.isfinite(scores)):
            mask = world.masks[:, k]
            inside, outside = (world.activations[m, j] for m in (mask, ~mask))
            u = stats.mannwhitneyu(inside, outside).statistic
            assert scores[j, k] == u / (mask.sum() * (~mask).sum())

    def test_negating_a_mask_reflects_it(self, world):
        scores = ij.auroc(world.activations, world.masks)
        np.testing.assert_allclose(
            ij.auroc(world.activations, ~world.masks), 1 - scores, rtol=1e-15
        )

    @pytest.mark.parametrize(
        "masks, match",
        [
            (np.ones((59, 1), bool), "must describe the same samples.*got 60 and 59"),
            (np.ones(60, bool), r"`masks` must have two axes.*got shape \(60,\)"),
            (np.full((60, 1), 2), "`masks` must be boolean.*got 2"),
            (np.full((60, 1), np.nan), "`masks` must be boolean.*got nan"),
            (np.ones((60, 0), bool), "got none"),
        ],
    )
    def test_refuses_masks_that_are_none(self, world, masks, match):
        with pytest.raises(ValueError, match=match):
            ij.auroc(world.activations, masks)

    def test_refuses_what_is_not_finite(self, world):
        activations = world.activations.copy()
        activations[7, 2] = np.inf
        with pytest.raises(ValueError, match="got inf for neuron '2' on sample 7"):
            ij.auroc(activations, world.masks)
