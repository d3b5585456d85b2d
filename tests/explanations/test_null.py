"""Draws of the null, the p-values they give, and where both are kept."""

import dataclasses
import json
from collections import OrderedDict
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import invert_jax as ij
from invert_jax import disk
from invert_jax.core import randomness
from invert_jax.core.statistics import drawn_patterns
from invert_jax.engine import null_draws
from invert_jax.settings import SearchSettings
from tests.meaningless_neurons import (
    KEY,
    NUM_DRAWS,
    NUM_SAMPLES,
    explain,
    make_concepts,
    make_mixed,
    noise,
    null_distribution,
)


@pytest.fixture(scope="module")
def concepts():
    return make_concepts()


@pytest.fixture(scope="module")
def mixed():
    return make_mixed()


def test_a_draw_is_what_explain_finds_on_that_assignment():
    # A row for each sample, so that row sums are ranks; ties that are on the grid.
    num_samples, draws, seed = 300, 5, (7, 8)
    masks = np.random.default_rng(10).random((num_samples, 12)) < 0.3
    masks = np.concatenate((masks, np.eye(num_samples, dtype=bool)), axis=1)
    concepts = ij.Concepts.from_masks(masks, [f"c{k}" for k in range(312)])
    num_active = int(drawn_patterns.end_grid(num_samples)[6])
    lowest = num_samples - num_active
    activations = np.zeros((num_samples, draws), np.float32)
    for draw in range(draws):
        generator = randomness.draw_generator((*seed, 0, lowest), draw)
        chosen = generator.choice(num_samples, num_active, replace=False)
        activations[chosen, draw] = 1 + np.arange(num_active)
    found = explain(activations, concepts, beam_size=1, min_fraction=0.1)
    key = np.array(seed, np.uint32)
    null = null_distribution(concepts, found, num_draws=draws, key=jnp.asarray(key))
    assert null.patterns == (((0, lowest),),)
    np.testing.assert_array_equal(null.sums[0], found.rank_sums[:, :, 0])
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
    np.testing.assert_array_equal(fewer.sums[0], null.sums[row, :300])


def test_keys_decide_and_are_read_as_numbers_or_keys(concepts, mixed):
    one = mixed[0].take([0])
    null = null_distribution(concepts, one, num_draws=200)
    same = null_distribution(concepts, one, num_draws=200, key=jax.random.key(KEY))
    other = null_distribution(concepts, one, num_draws=200, key=KEY + 1)
    np.testing.assert_array_equal(null.sums, same.sums)
    assert (null.sums != other.sums).any()


def test_block_sizes_change_no_draw(concepts, mixed):
    one = mixed[0].take([0])
    small = ij.Options(progress=False, memory_budget=2 << 20)
    null = ij.null_distribution(concepts, one, num_draws=40, key=KEY, options=small)
    row = mixed[1].patterns.index(())
    np.testing.assert_array_equal(null.sums[0], mixed[1].sums[row, :40])


@pytest.fixture
def empty_memory(monkeypatch):
    """Nothing is known of earlier draws, as in another process."""
    monkeypatch.setattr(null_draws, "_drawn", OrderedDict())
    return null_draws._drawn


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
    monkeypatch.setattr(null_draws.Drawing, "_draw", no_more_draws)
    again = ij.null_distribution(concepts, one, **how)
    np.testing.assert_array_equal(null.sums, again.sums)
    np.testing.assert_array_equal(null.supports, again.supports)
    with pytest.raises(AssertionError, match="drawn again"):
        ij.null_distribution(concepts, one, **(how | {"key": 92}))


def test_draws_found_in_memory_are_kept_on_disk_as_well(
    concepts, mixed, tmp_path, monkeypatch, empty_memory
):
    one = mixed[0].take([0])
    quiet = ij.Options(progress=False)
    how: dict[str, Any] = {"num_draws": 200, "key": 91}
    null = ij.null_distribution(concepts, one, **how, options=quiet)
    kept = ij.Options(progress=False, output=tmp_path)
    monkeypatch.setattr(null_draws.Drawing, "_draw", no_more_draws)
    ij.null_distribution(concepts, one, **how, options=kept)
    empty_memory.clear()
    again = ij.null_distribution(concepts, one, **how, options=kept)
    np.testing.assert_array_equal(null.sums, again.sums)


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
    np.testing.assert_array_equal(null.sums, again.sums)


def test_all_patterns_of_a_layer_stay_in_memory_and_no_more_than_fit(
    concepts, mixed, monkeypatch, empty_memory
):
    some = mixed[0].take([0, 40, 80, 120])
    null = null_distribution(concepts, some, num_draws=200)
    assert len(empty_memory) == len(null.patterns) == 4
    with monkeypatch.context() as patched:
        patched.setattr(null_draws.Drawing, "_draw", no_more_draws)
        null_distribution(concepts, some, num_draws=200)
    # 200 draws of 2 steps, two int64 each: 6,400 bytes per pattern.
    monkeypatch.setattr(null_draws, "LARGEST_CACHE", 13_000)
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
    np.testing.assert_array_equal(null.sums, same.sums)
    assert not np.isnan(found.with_null(null).p_search).any()


@pytest.mark.parametrize(
    "change",
    [
        {"num_samples": -5}, {"num_samples": 0}, {"num_samples": 59.5},
        {"num_samples": "60"}, {"num_samples": True}, {"num_samples": 10**400},
        {"num_samples": 3}, {"num_samples": 20_000_000},
        {"patterns": [[[0, 10**400]]]}, {"patterns": None}, {"patterns": [[[0]]]},
        {"seed": [1e999]}, {"seed": None}, {"seed": [[]]},
        {"settings": None}, {"settings": {"max_length": 10**400}},
        {"concepts": None}, {"other": 1}, {"version": 1},
    ],
)  # fmt: skip
def test_a_file_of_a_null_that_makes_no_sense_is_refused(tmp_path, change):
    path = tmp_path / "null.npz"
    settings = SearchSettings(max_length=2)
    sums = np.full((1, 5, 2), 100)
    ij.Null(((),), sums, sums // 5, 60, settings, "hash", (0, 1)).save(path)
    assert ij.Null.load(path).num_draws == 5
    arrays = disk.load_arrays(path)
    assert arrays is not None
    description = json.loads(str(arrays["description"])) | change
    disk.save_arrays(path, arrays | {"description": np.array(json.dumps(description))})
    with pytest.raises(ValueError, match=r"file written by `Null.save`; .* is not: "):
        ij.Null.load(path)
