"""P-values that hold after the search: level, power, false discoveries, exactness.

All tests but a few share one table of 2,000 samples and one compiled search.
"""

import dataclasses
from collections import OrderedDict
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import invert_jax as ij
from invert_jax import drawing
from invert_jax.core import nulls, ties
from tests.worlds import QUIET, as_in_production

NUM_SAMPLES, NUM_CONCEPTS = 2000, 30
SETTINGS: dict[str, Any] = {"max_length": 2, "beam_size": 2, "min_fraction": 0.02}
NUM_DRAWS = 999
ALPHA = 0.05
KEY = 3


def explain(activations, concepts, **settings):
    return ij.explain(activations, concepts, options=QUIET, **(SETTINGS | settings))


def null_distribution(concepts, like, **how):
    how = {"num_draws": NUM_DRAWS, "key": KEY, **how}
    return ij.null_distribution(concepts, like, options=QUIET, **how)


@pytest.fixture(scope="module")
def masks():
    rng = np.random.default_rng(1)
    return rng.random((NUM_SAMPLES, NUM_CONCEPTS)) < rng.uniform(0.01, 0.4, 30)


@pytest.fixture(scope="module")
def concepts(masks):
    return ij.Concepts.from_masks(masks, [f"c{k}" for k in range(NUM_CONCEPTS)])


def noise(rng, count, share=0.0):
    """Meaningless neurons with a share of zeros, the same number in each."""
    active = round(NUM_SAMPLES * (1 - share))
    values = np.zeros((NUM_SAMPLES, count), np.float32)
    values[:active] = rng.exponential(size=(active, count))
    return rng.permuted(values, axis=0)


def tolerance(count, draws=NUM_DRAWS, errors=3):
    """So many Monte-Carlo errors of a share at `ALPHA`, of neurons and of draws."""
    return errors * np.sqrt(ALPHA * (1 - ALPHA) * (1 / count + 1 / draws))


@pytest.fixture(scope="module")
def mixed(masks, concepts):
    """40 neurons each with noise, zeros, other ties and a meaning; and their null."""
    rng = np.random.default_rng(2)
    meaning = noise(rng, 40, 0.5) + 2 * masks[:, np.arange(40) % NUM_CONCEPTS]
    ties = rng.integers(4, size=(NUM_SAMPLES, 40)).astype(np.float32)
    parts = (noise(rng, 40), noise(rng, 40, 0.9), ties, meaning)
    explanations = explain(np.concatenate(parts, axis=1), concepts)
    return explanations, null_distribution(concepts, explanations)


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
    count, points = 1000, ties.end_grid(NUM_SAMPLES)
    for point in points[[-4, -12]].tolist():
        share = 1 - (point + 1) / NUM_SAMPLES
        found = explain(noise(np.random.default_rng(4), count, share), concepts)
        null = null_distribution(concepts, found)
        level = (found.with_null(null).p_search <= ALPHA).mean()
        assert ALPHA / 4 <= level <= ALPHA + tolerance(count, errors=2)


@pytest.mark.parametrize(
    "make",
    [
        lambda rng, shape: rng.integers(2, size=shape),
        lambda rng, shape: rng.integers(5, size=shape),
        lambda rng, shape: rng.random(shape) < 0.03,
        lambda rng, shape: np.clip(rng.normal(size=shape), -0.3, 1),
        lambda rng, shape: rng.normal(size=shape) * (rng.random(shape) < 0.1),
        lambda rng, shape: np.round(rng.normal(size=shape), 1),
    ],
    ids=["binary", "5 levels", "3 % true", "both ends", "zeros inside", "rounded"],
)
def test_other_ties_keep_the_level_too(concepts, make):
    count = 300
    activations = make(np.random.default_rng(5), (NUM_SAMPLES, count))
    found = explain(activations.astype(np.float32), concepts)
    null = null_distribution(concepts, found, num_draws=499)
    level = (found.with_null(null).p_search <= ALPHA).mean()
    assert level <= ALPHA + tolerance(count, 499)


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
    level = (found.with_null(null).p_search <= ALPHA).mean()
    assert level <= ALPHA + tolerance(count)


@pytest.mark.parametrize("sign", ["positive", "negative"])
def test_signs_have_nulls_of_their_own(concepts, sign):
    count = 200
    activations = noise(np.random.default_rng(6), count, 0.9)
    found = explain(activations, concepts, sign=sign)
    null = null_distribution(concepts, found)
    level = (found.with_null(null).p_search <= ALPHA).mean()
    assert level <= ALPHA + tolerance(count)
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


def test_a_draw_is_what_explain_finds_on_that_assignment():
    # A row for each sample, so that row sums are ranks; ties that are on the grid.
    num_samples, draws, seed = 300, 5, (7, 8)
    masks = np.random.default_rng(10).random((num_samples, 12)) < 0.3
    masks = np.concatenate((masks, np.eye(num_samples, dtype=bool)), axis=1)
    concepts = ij.Concepts.from_masks(masks, [f"c{k}" for k in range(312)])
    num_active = int(ties.end_grid(num_samples)[6])
    lowest = num_samples - num_active
    activations = np.zeros((num_samples, draws), np.float32)
    for draw in range(draws):
        generator = nulls.draw_generator((*seed, 0, lowest), draw)
        chosen = generator.choice(num_samples, num_active, replace=False)
        activations[chosen, draw] = 1 + np.arange(num_active)
    found = explain(activations, concepts, beam_size=1, min_fraction=0.1)
    key = np.array(seed, np.uint32)
    null = null_distribution(concepts, found, num_draws=draws, key=jnp.asarray(key))
    assert null.patterns == (((0, lowest),),)
    np.testing.assert_array_equal(null.rank_sums[0], found.rank_sums[:, :, 0])
    np.testing.assert_array_equal(null.supports[0], found.supports[:, :, 0])


def test_p_values_count_the_draws_one_by_one(mixed):
    explanations, null = mixed
    labeled = explanations.with_null(null)
    rows = {pattern: row for row, pattern in enumerate(null.patterns)}
    assert () in rows and len(rows) > 1
    for neuron in range(40):
        drawn = null.scores[rows[()], :, -1]
        exceedances = (drawn >= explanations.scores[neuron, 0]).sum()
        assert labeled.p_search[neuron] == (1 + exceedances) / (1 + NUM_DRAWS)


def test_q_values_are_those_of_scipy_and_decide_the_status(mixed):
    explanations, null = mixed
    labeled = explanations.with_null(null, alpha=0.2)
    expected = stats.false_discovery_control(labeled.p_search)
    np.testing.assert_array_equal(labeled.q_value, expected)
    np.testing.assert_array_equal(
        labeled.status, np.where(expected > 0.2, "chance", "labeled")
    )
    assert (labeled.status[120:] == "labeled").all()
    assert labeled.formulas[0][0] is not None


def test_every_length_has_its_own_p_values(mixed):
    explanations, null = mixed
    one = explanations.with_null(null).at_length(1)
    again = explanations.at_length(1).with_null(null)
    np.testing.assert_array_equal(one.p_search, again.p_search)
    np.testing.assert_array_equal(one.q_value, again.q_value)
    np.testing.assert_array_equal(one.status, again.status)


def test_what_no_draw_reaches_is_extrapolated_and_nothing_else(mixed):
    explanations, null = mixed
    labeled = explanations.with_null(null)
    beyond = labeled.p_search == 1 / (1 + NUM_DRAWS)
    estimate, low, high = labeled.log10_p_extrapolated.T
    assert 0 < beyond.sum() < 160
    np.testing.assert_array_equal(~np.isnan(estimate), beyond)
    assert (low[beyond] <= estimate[beyond]).all()
    assert (estimate[beyond] <= high[beyond]).all()
    assert (estimate[beyond] < -2).all() and np.isfinite(estimate[beyond]).all()


def test_more_draws_begin_with_the_fewer(concepts, mixed):
    explanations, null = mixed
    fewer = null_distribution(concepts, explanations.take([0]), num_draws=300)
    row = null.patterns.index(())
    np.testing.assert_array_equal(fewer.rank_sums[0], null.rank_sums[row, :300])


def test_keys_decide_and_are_read_as_numbers_or_keys(concepts, mixed):
    one = mixed[0].take([0])
    null = null_distribution(concepts, one, num_draws=200)
    same = null_distribution(concepts, one, num_draws=200, key=jax.random.key(KEY))
    other = null_distribution(concepts, one, num_draws=200, key=KEY + 1)
    np.testing.assert_array_equal(null.rank_sums, same.rank_sums)
    assert (null.rank_sums != other.rank_sums).any()


def test_block_sizes_change_no_draw(concepts, mixed):
    one = mixed[0].take([0])
    small = ij.Options(progress=False, memory_budget=2 << 20)
    null = ij.null_distribution(concepts, one, num_draws=40, key=KEY, options=small)
    row = mixed[1].patterns.index(())
    np.testing.assert_array_equal(null.rank_sums[0], mixed[1].rank_sums[row, :40])


@pytest.fixture
def empty_memory(monkeypatch):
    """Nothing is known of earlier draws, as in another process."""
    monkeypatch.setattr(drawing, "_drawn", OrderedDict())
    return drawing._drawn


def no_more_draws(*_):
    raise AssertionError("drawn again")


def test_draws_are_kept_on_disk_by_their_content_for_other_processes(
    concepts, mixed, tmp_path, monkeypatch, empty_memory
):
    one = mixed[0].take([0])
    options = ij.Options(progress=False, output=tmp_path)
    how: dict[str, Any] = {"num_draws": 200, "key": 91, "options": options}
    null = ij.null_distribution(concepts, one, **how)
    assert len(list(tmp_path.glob("*.npz"))) == 1
    ij.null_distribution(concepts, one, **(how | {"num_draws": 201}))
    assert len(list(tmp_path.glob("*.npz"))) == 2
    empty_memory.clear()
    monkeypatch.setattr(drawing.Drawing, "_draw", no_more_draws)
    again = ij.null_distribution(concepts, one, **how)
    np.testing.assert_array_equal(null.rank_sums, again.rank_sums)
    np.testing.assert_array_equal(null.supports, again.supports)
    with pytest.raises(AssertionError, match="drawn again"):
        ij.null_distribution(concepts, one, **(how | {"key": 92}))


def test_draws_that_are_damaged_on_disk_are_drawn_again(
    concepts, mixed, tmp_path, empty_memory
):
    one = mixed[0].take([0])
    options = ij.Options(progress=False, output=tmp_path)
    how: dict[str, Any] = {"num_draws": 200, "key": 91, "options": options}
    null = ij.null_distribution(concepts, one, **how)
    (part,) = tmp_path.glob("*.npz")
    part.write_bytes(part.read_bytes()[:-100])
    empty_memory.clear()
    again = ij.null_distribution(concepts, one, **how)
    np.testing.assert_array_equal(null.rank_sums, again.rank_sums)


def test_all_patterns_of_a_layer_stay_in_memory_and_no_more_than_fit(
    concepts, mixed, monkeypatch, empty_memory
):
    some = mixed[0].take([0, 40, 80, 120])
    null = null_distribution(concepts, some, num_draws=200)
    assert len(empty_memory) == len(null.patterns) == 4
    with monkeypatch.context() as patched:
        patched.setattr(drawing.Drawing, "_draw", no_more_draws)
        null_distribution(concepts, some, num_draws=200)
    # 200 draws of 2 steps, two int64 each: 6,400 bytes per pattern.
    monkeypatch.setattr(drawing, "LARGEST_CACHE", 13_000)
    null_distribution(concepts, some, num_draws=200)
    assert len(empty_memory) == 2


def test_a_null_comes_back_from_disk(mixed, tmp_path):
    explanations, null = mixed
    null.save(tmp_path / "null.npz")
    loaded = ij.Null.load(tmp_path / "null.npz")
    for field in dataclasses.fields(null):
        np.testing.assert_equal(getattr(loaded, field.name), getattr(null, field.name))
    np.testing.assert_array_equal(
        explanations.with_null(loaded).p_search, explanations.with_null(null).p_search
    )
    assert repr(loaded) == repr(null)


def test_explanations_come_back_from_disk_with_their_p_values(mixed, tmp_path):
    explanations, null = mixed
    labeled = explanations.with_null(null, alpha=0.1)
    labeled.save(tmp_path / "labels")
    loaded = ij.Explanations.load(tmp_path / "labels")
    for name in ("p_search", "q_value", "log10_p_extrapolated", "status", "tie_groups"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(labeled, name))
    assert loaded.significance is not None and loaded.significance.alpha == 0.1
    np.testing.assert_array_equal(loaded.with_null(null).p_search, labeled.p_search)


def test_the_table_and_the_text_gain_columns(mixed):
    labeled = mixed[0].with_null(mixed[1])
    table = labeled.to_arrow()
    np.testing.assert_array_equal(table["p_search"].to_numpy(), labeled.p_search)
    np.testing.assert_array_equal(table["q_value"].to_numpy(), labeled.q_value)
    extrapolated = table["log10_p_extrapolated"].to_numpy()
    np.testing.assert_array_equal(extrapolated, labeled.log10_p_extrapolated[:, 0])
    text = str(labeled)
    assert "chance" in text and " q " in text
    assert "p_search" not in mixed[0].to_arrow().column_names


def test_neurons_without_a_formula_have_no_p_value_and_count_for_nothing(concepts):
    rng = np.random.default_rng(11)
    activations = noise(rng, 200)
    activations[:, 1] = 0
    found = explain(activations, concepts).take([0, 1, 2, 3])
    null = null_distribution(concepts, found)
    labeled = found.with_null(null)
    assert np.isnan(labeled.p_search[1]) and np.isnan(labeled.q_value[1])
    assert labeled.status[1] == "constant"
    others = labeled.p_search[[0, 2, 3]]
    np.testing.assert_array_equal(
        labeled.q_value[[0, 2, 3]], stats.false_discovery_control(others)
    )


def test_a_layer_of_constant_neurons_needs_no_draws(concepts):
    found = explain(np.zeros((NUM_SAMPLES, 200), np.float32), concepts)
    null = null_distribution(concepts, found)
    assert null.patterns == ()
    assert (found.with_null(null).status == "constant").all()


def test_layers_share_one_null(concepts):
    rng = np.random.default_rng(12)
    layers = explain({"a": noise(rng, 200), "b": noise(rng, 200, 0.9)}, concepts)
    null = null_distribution(concepts, layers)
    assert len(null.patterns) == 2
    for layer in layers.values():
        assert not np.isnan(layer.with_null(null).p_search).any()


def test_samples_left_out_are_left_out_of_the_null(concepts):
    rng = np.random.default_rng(13)
    where = np.arange(NUM_SAMPLES) % 4 > 0
    found = explain(noise(rng, 200), concepts, where=where)
    null = null_distribution(concepts, found, num_draws=200)
    same = null_distribution(concepts.take(where), found, num_draws=200)
    assert null.num_samples == 1500
    np.testing.assert_array_equal(null.rank_sums, same.rank_sums)
    assert not np.isnan(found.with_null(null).p_search).any()


@pytest.mark.parametrize("alpha", [0, 1, -0.1, 1.5, float("nan")])
def test_alpha_must_be_inside_0_and_1(mixed, alpha):
    with (
        as_in_production(),
        pytest.raises(ValueError, match=r"`alpha` must be in \(0, 1\); got"),
    ):
        mixed[0].with_null(mixed[1], alpha=alpha)


@pytest.mark.parametrize("alpha", ["0.05", None, True])
def test_alpha_must_be_a_number(mixed, alpha):
    with (
        as_in_production(),
        pytest.raises(TypeError, match=r"`alpha` must be a number; got"),
    ):
        mixed[0].with_null(mixed[1], alpha=alpha)


def test_at_least_one_draw_is_asked_for(concepts, mixed):
    with pytest.raises(ValueError, match=r"`num_draws` must be at least 1; got 0"):
        null_distribution(concepts, mixed[0], num_draws=0)
    with (
        as_in_production(),
        pytest.raises(TypeError, match=r"`num_draws` must be a whole number; got 2.5"),
    ):
        null_distribution(concepts, mixed[0], num_draws=2.5)


@pytest.mark.parametrize("key", ["0", None, 1.0, np.zeros((2, 2), np.uint32), True])
def test_a_key_is_a_key(concepts, mixed, key):
    with (
        as_in_production(),
        pytest.raises(TypeError, match=r"`key` must be one key, from jax.random.key"),
    ):
        null_distribution(concepts, mixed[0], key=key)


def test_a_null_of_other_concepts_is_refused(masks, mixed):
    other = ij.Concepts.from_masks(~masks, [f"c{k}" for k in range(NUM_CONCEPTS)])
    with pytest.raises(ValueError, match=r"`concepts` must be those that `like` was"):
        null_distribution(other, mixed[0])
    different = dataclasses.replace(mixed[1], concepts=other.fingerprint())
    with pytest.raises(ValueError, match=r"`null` must be of the concepts of the"):
        mixed[0].with_null(different)


@pytest.mark.parametrize(
    ("name", "value"),
    [("beam_size", 3), ("min_fraction", 0.1), ("sign", "negative"), ("max_length", 1)],
)
def test_a_null_of_other_settings_is_refused(mixed, name, value):
    settings = dataclasses.replace(mixed[1].settings, **{name: value})
    null = dataclasses.replace(mixed[1], settings=settings)
    with pytest.raises(ValueError, match=rf"`null` must be of the settings .* {name}="):
        mixed[0].with_null(null)


def test_a_null_without_the_ties_of_a_neuron_is_refused(concepts, mixed):
    null = null_distribution(concepts, mixed[0].take([0]), num_draws=200)
    with pytest.raises(
        ValueError, match=r"`null` must have draws of the ties of every"
    ):
        mixed[0].with_null(null)


def test_layers_of_other_settings_share_no_null(concepts, mixed):
    with pytest.raises(ValueError, match=r"`like` must hold layers explained by the"):
        null_distribution(concepts, {"a": mixed[0], "b": mixed[0].at_length(1)})
    with pytest.raises(ValueError, match=r"`like` must hold at least one layer"):
        null_distribution(concepts, {})


@pytest.mark.parametrize("name", ["p_search", "q_value", "log10_p_extrapolated"])
def test_p_values_before_a_null_are_an_error_that_names_it(mixed, name):
    with pytest.raises(ValueError, match=rf"`{name}` needs a null: "):
        getattr(mixed[0], name)


@pytest.mark.parametrize(
    "content", [None, b"", b"PK\x03\x04 broken", b"\x80\x04 pickle"]
)
def test_a_damaged_null_is_named(tmp_path, content):
    path = tmp_path / "null.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(
        ValueError, match=r"`path` must be a file written by `Null.save`"
    ):
        ij.Null.load(path)


def test_other_files_are_no_null(tmp_path, concepts):
    concepts.save(tmp_path / "concepts.npz")
    with pytest.raises(
        ValueError, match=r"`path` must be a file written by `Null.save`"
    ):
        ij.Null.load(tmp_path / "concepts.npz")
