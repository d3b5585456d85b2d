"""Which samples are searched and which are held out, and what a split refuses."""

import jax
import numpy as np
import pytest

import invert_jax as ij
from invert_jax.engine.holdout_split import split_samples
from tests.held_out_runs import NUM_SAMPLES, explain, make_activations, make_concepts
from tests.small_runs import as_in_production


@pytest.fixture(scope="module")
def concepts():
    return make_concepts()


@pytest.fixture(scope="module")
def activations():
    return make_activations()


def drawn_split(concepts, samples, *, holdout, key, groups):
    split = split_samples(concepts, samples, holdout=holdout, key=key, groups=groups)
    assert split is not None
    return split


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


@pytest.mark.parametrize("kind", [object, np.dtypes.StringDType()])
def test_groups_may_be_strings_of_any_kind(concepts, kind):
    names = np.array([f"patient {k // 10}" for k in range(NUM_SAMPLES)])

    def reported(groups):
        split = drawn_split(concepts, None, holdout=0.3, key=0, groups=groups)
        return split.reported.tolist()

    assert reported(names.astype(kind)) == reported(names)


def test_groups_may_be_a_column_of_a_table(concepts):
    pandas = pytest.importorskip("pandas")
    names = [f"patient {k // 10}" for k in range(NUM_SAMPLES)]
    numbers = np.arange(NUM_SAMPLES) // 10
    for column in (names, numbers, numbers.astype(object)):
        column = pandas.Series(column)
        split = drawn_split(concepts, None, holdout=0.3, key=0, groups=column)
        groups = np.array(column)
        assert not set(groups[split.searched]) & set(groups[split.reported])


def test_groups_with_something_missing_are_refused(concepts):
    groups = np.array(["a", None] * (NUM_SAMPLES // 2), object)
    with pytest.raises(TypeError, match=r"none missing; got objects of type None"):
        drawn_split(concepts, None, holdout=0.3, key=0, groups=groups)


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


def test_a_split_that_leaves_one_sample_to_search_is_refused(activations, concepts):
    with pytest.raises(
        ValueError, match=r"`holdout` must leave at least 2 samples to search on; it le"
    ):
        explain(activations, concepts, holdout=0.999, key=0)


def test_a_split_that_leaves_no_concept_within_bounds_is_refused(activations):
    # 12 of 600 samples are 2 %; of the few searched none or too many are positive.
    masks = (np.arange(NUM_SAMPLES) < 12)[:, None]
    rare = ij.Concepts.from_masks(masks, ["rare"])
    bounds = {"min_fraction": 0.02, "max_fraction": 0.1}
    with pytest.raises(
        ValueError, match=r"`holdout` must leave samples to search on in which some"
    ):
        explain(activations, rare, holdout=0.99, key=0, **bounds)
    # Where nothing was within bounds before, the split is not to blame.
    wide = bounds | {"min_fraction": 0.07}
    found = explain(activations, rare, holdout=0.5, key=0, **wide)
    assert set(found.status) == {"no_candidate", "constant"}
