"""Odd input, damaged files and full disks: an error in words, and nothing lost."""

import json
import os
import shutil
import subprocess
import sys
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import scipy.sparse

import invert_jax as ij
from invert_jax.core.statistics.mannwhitney import log10_mannwhitney
from invert_jax.engine.folders import output_folders
from invert_jax.engine.resuming import Parts
from invert_jax.settings import SearchSettings
from tests import small_runs
from tests.repository import ROOT
from tests.small_runs import QUIET, as_in_production, assert_same, explain, table_file


@pytest.fixture(scope="module")
def world():
    return small_runs.make_world()


def test_a_part_with_a_changed_byte_is_no_part_or_the_same(tmp_path, rng):
    arrays = {"a": np.arange(50), "b": np.ones(3)}
    Parts(tmp_path, "run").save("key", arrays)
    assert Parts(tmp_path, "run").load("key") is not None
    whole = bytearray((tmp_path / "key.npz").read_bytes())
    for place in rng.choice(len(whole), 300, replace=False):
        changed = whole.copy()
        changed[place] ^= 0xFF
        (tmp_path / "key.npz").write_bytes(changed)
        loaded = Parts(tmp_path, "run").load("key")
        if loaded is not None:
            assert loaded.keys() == arrays.keys()
            for name, values in arrays.items():
                np.testing.assert_array_equal(loaded[name], values)


def test_layers_whose_names_are_alike_do_not_share_a_folder(tmp_path):
    world = small_runs.make_world()
    layers = {"a/b": world.activations, "a.b": world.activations[:, ::-1]}
    options = ij.Options(progress=False, output=tmp_path / "out")
    found = explain(layers, world.concepts, options=options)
    saved = [ij.Explanations.load(path) for path in (tmp_path / "out").iterdir()]
    assert sorted(each.layer for each in saved) == sorted(found)


def test_layers_that_would_share_a_folder_all_the_same_are_refused(tmp_path):
    told = output_folders(tmp_path / "out", {"a/b": 0, "a.b": 0})["a/b"].name
    with pytest.raises(ValueError, match=r"'a/b' and '.*', both .*Rename one"):
        output_folders(tmp_path / "out", {"a/b": 0, "a.b": 0, told: 0})


def test_a_folder_named_like_ours_keeps_what_is_not_ours(tmp_path):
    world = small_runs.make_world()
    (tmp_path / "out+parts").mkdir()
    (tmp_path / "out+parts" / "spare.txt").write_text("mine")
    options = ij.Options(progress=False, output=tmp_path / "out")
    explain(world.activations, world.concepts, options=options)
    assert (tmp_path / "out+parts" / "spare.txt").read_text() == "mine"


def test_the_folder_one_stands_in_is_a_folder(tmp_path, monkeypatch):
    world = small_runs.make_world()
    (tmp_path / "new").mkdir()
    monkeypatch.chdir(tmp_path / "new")
    with pytest.raises(ValueError, match="`output` must not be the current folder"):
        explain(
            world.activations,
            world.concepts,
            options=ij.Options(progress=False, output="."),
        )


def test_parts_are_there_until_the_result_is_saved(tmp_path, monkeypatch):
    world = small_runs.make_world()
    options = ij.Options(progress=False, output=tmp_path / "out")

    def fail(self, path):
        assert list((tmp_path / "out+parts").glob("*.npz"))
        raise OSError("no space left on device")

    monkeypatch.setattr(ij.Explanations, "save", fail)
    with pytest.raises(OSError, match="no space"):
        explain(world.activations, world.concepts, options=options)


@pytest.mark.parametrize("dtype", [">f4", ">f8", ">i2", ">i8", ">f2"])
def test_the_order_of_the_bytes_changes_nothing(world, dtype):
    little = explain(world.activations, world.concepts)
    activations = (300 * world.activations).astype(dtype)
    assert_same(explain(activations, world.concepts), little)
    np.testing.assert_array_equal(
        ij.auroc(activations, world.masks), ij.auroc(world.activations, world.masks)
    )


def test_concepts_that_are_all_constant_leave_no_candidate(world):
    masks = np.tile([False, True], (60, 1))
    concepts = ij.Concepts.from_masks(masks, ["never", "always"])
    explanations = explain(world.activations, concepts)
    assert (
        explanations.status.tolist()
        == ["no_candidate"] * 4 + ["constant"] + ["no_candidate"] * 3
    )
    assert explanations.left_out == ("never", "always")
    assert np.isnan(explanations.scores).all()


def test_one_sample_leaves_no_candidate():
    concepts = ij.Concepts.from_masks(np.ones((1, 2), bool), ["a", "b"])
    assert explain(np.ones((1, 3)), concepts).status.tolist() == ["constant"] * 3


def test_one_sample_that_counts_leaves_no_candidate(world):
    where = np.arange(60) == 3
    explanations = explain(world.activations, world.concepts, where=where)
    assert set(explanations.status) == {"constant"}


def test_nothing_found_is_saved_and_printed(world, tmp_path):
    concepts = ij.Concepts.from_masks(np.ones((60, 1), bool), ["always"])
    nothing = explain(world.activations, concepts)
    nothing.save(tmp_path / "nothing")
    assert_same(ij.Explanations.load(tmp_path / "nothing"), nothing)
    assert "(no formula within the bounds)" in str(nothing)
    assert len(nothing.to_arrow(all_ranks=True)) == 0


def test_sparse_masks_are_taken(world):
    masks = scipy.sparse.csr_array(world.masks)
    np.testing.assert_array_equal(
        ij.auroc(world.activations, masks), ij.auroc(world.activations, world.masks)
    )


def test_progress_does_not_go_to_what_is_piped_on():
    script = (
        "import numpy as np, invert_jax as ij\n"
        "concepts = ij.Concepts.from_labels([0, 1, 0, 1], ['a', 'b'])\n"
        "ij.explain(np.arange(8.0).reshape(4, 2), concepts, max_length=1)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "FORCE_COLOR": "1"},
    )
    assert shown.stdout == ""
    assert "2 neurons" in shown.stderr


def test_a_layer_with_brackets_in_its_name_is_explained(world):
    layer = ij.Activations(world.activations, layer="blocks[/0]")
    assert explain(layer, world.concepts, options=ij.Options()).layer == "blocks[/0]"


def test_neurons_are_checked_in_all_layers_before_any_work(world):
    class Unread:
        shape, dtype = (60, 8), np.dtype(np.float32)

        def __getitem__(self, index):
            raise AssertionError("read before the neurons were checked")

    layers = {"one": ij.Activations(Unread()), "two": world.activations[:, :5]}
    with pytest.raises(ValueError, match=r"must be in \[0, 4\]; got 5"):
        explain(layers, world.concepts, neurons=[5])


def test_the_cure_of_the_warning_can_be_followed(world):
    """With max_fraction=0.1 of 60 the cure 0.334 is an error: it must say so."""
    with pytest.warns(ij.FewPositivesWarning) as warned:
        ij.explain(
            np.zeros((60, 8)),
            world.concepts,
            max_length=3,
            beam_size=3,
            min_fraction=0.05,
            max_fraction=0.1,
            options=QUIET,
        )
    assert "max_fraction" in str(warned[0].message)


def test_ids_are_shown_as_they_are(world):
    activations = ij.Activations(world.activations, ids=np.arange(60)[::-1])
    with pytest.raises(ValueError, match="has the id 59 in one and 0 in the other"):
        explain(activations, world.concepts.with_ids(np.arange(60)))


def test_sparse_activations_are_refused_with_the_cure(world):
    with as_in_production(), pytest.raises(TypeError, match=r"dense.*\.toarray\(\)"):
        explain(scipy.sparse.csr_array(world.activations), world.concepts)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"devices": ["cpu"]}, "`devices` must be devices of JAX"),
        ({"devices": []}, "`devices` must hold at least one"),
        ({"progress": "no"}, "`progress` must be True or False"),
        ({"memory_budget": 1000}, "`memory_budget` must be"),
    ],
)
def test_wrong_options_are_named(options, message):
    with as_in_production(), pytest.raises((TypeError, ValueError), match=message):
        ij.Options(**options)


def test_a_beam_that_no_memory_holds_is_refused(world):
    with pytest.raises(ValueError, match="`beam_size` must be at most 1024"):
        ij.explain(world.activations, world.concepts, beam_size=10**9)


@pytest.mark.parametrize("length", [1.5, True])
def test_a_length_that_is_not_whole_is_refused(world, length):
    found = explain(world.activations, world.concepts)
    message = "`length` must be a whole number"
    with as_in_production(), pytest.raises(TypeError, match=message):
        found.at_length(length)


def test_names_of_layers_that_are_no_text_are_refused(world, tmp_path):
    options = ij.Options(progress=False, output=tmp_path)
    with as_in_production(), pytest.raises(TypeError, match="`activations`"):
        explain({0: world.activations}, world.concepts, options=options)


def test_options_that_are_none_are_refused(world):
    with as_in_production(), pytest.raises(TypeError, match="`options` must be"):
        explain(world.activations, world.concepts, options={"progress": False})


def test_numbers_of_numpy_are_kept_as_plain_numbers():
    with as_in_production():
        numbers: dict[str, Any] = {
            "max_length": np.int64(2),
            "beam_size": np.uint8(4),
            "num_literals": np.int32(6),
            "min_fraction": np.float32(0.002),
            "max_fraction": 1,
        }
        settings = SearchSettings(**numbers)
    assert json.dumps(settings.__dict__)
    assert type(settings.min_fraction) is type(settings.max_fraction) is float
    assert abs(settings.min_fraction - 0.002) < 1e-9
    assert settings.bounds(50_000)[0] == 100
    assert type(settings.max_length) is type(settings.num_literals) is int


def test_settings_of_numpy_survive_saving(world, tmp_path):
    with as_in_production():
        found = explain(world.activations, world.concepts, beam_size=np.int64(3))
        found.save(tmp_path / "found")
        assert_same(ij.Explanations.load(tmp_path / "found"), found)


def saved(world, tmp_path):
    explain(world.activations, world.concepts).save(tmp_path / "copied")
    return tmp_path / "copied"


def test_formulas_of_more_neurons_are_refused(world, tmp_path):
    path = saved(world, tmp_path)
    file = table_file(path, "neurons")
    pq.write_table(pq.read_table(file).slice(0, 3), file)
    with pytest.raises(ValueError, match="is damaged"):
        ij.Explanations.load(path)


@pytest.mark.parametrize("name", ["synonyms", "sources", "settings", "concept_names"])
@pytest.mark.parametrize("value", [None, 3, []])
def test_a_description_with_a_wrong_value_is_refused(world, tmp_path, name, value):
    path = saved(world, tmp_path)
    text = json.loads((path / "explanations.json").read_text())
    (path / "explanations.json").write_text(json.dumps({**text, name: value}))
    with as_in_production(), pytest.raises(ValueError, match="is damaged"):
        ij.Explanations.load(path).formulas[0]


def test_formulas_of_another_result_are_refused(world, tmp_path):
    path = saved(world, tmp_path)
    other = explain(world.activations[:, ::-1], world.concepts)
    other.save(tmp_path / "other")
    other_file = table_file(tmp_path / "other", "formulas")
    shutil.copy(other_file, table_file(path, "formulas"))
    with pytest.raises(ValueError, match="is damaged"):
        ij.Explanations.load(path)


def test_what_is_not_ours_is_not_replaced(world, tmp_path):
    path = saved(world, tmp_path)
    (path / "notes.txt").write_text("years of work")
    with pytest.raises(ValueError, match=r"notes\.txt"):
        explain(world.activations, world.concepts).save(path)


def test_taking_none_is_possible(world):
    assert explain(world.activations, world.concepts).take([]).num_neurons == 0


@pytest.mark.parametrize("positions", [[8], 0, np.ones(3, bool), [0.5]])
def test_positions_that_are_none_are_refused(world, positions):
    found = explain(world.activations, world.concepts)
    with (
        as_in_production(),
        pytest.raises((ValueError, IndexError), match="`positions`"),
    ):
        found.take(positions)


def test_is_nan_where_all_of_very_many_samples_are_tied():
    num_samples = 16_000_000
    log10_p = log10_mannwhitney(
        np.zeros(1, int),
        np.ones(1, int),
        np.array([float(num_samples**3 - num_samples)]),
        num_samples=num_samples,
    )
    assert np.isnan(log10_p).all()
