import numpy as np
import pytest
import tensorflow_datasets as tfds

from invert_jax.concepts.table import Concepts
from invert_jax.concepts.tfds.chosen_features import chosen_leaves
from invert_jax.concepts.tfds.gathering import _probabilities, from_tfds
from invert_jax.sample_ids import position_ids
from tests.datasets.tfds.prepared_datasets import (
    CLASSES,
    NUM_EXAMPLES,
    SCENES,
    examples,
    prepared,
)

FORMATS = ["array_record", "parquet", "tfrecord"]


@pytest.fixture(scope="module", params=FORMATS)
def directory(request, tmp_path_factory):
    return prepared(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def one_directory(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("every_kind"), "array_record")


def _table(directory, split="train", **settings) -> Concepts:
    return from_tfds(directory, split, progress=False, **settings)


def _ids(table: Concepts) -> np.ndarray:
    assert table.ids is not None
    return table.ids


def _in_order(directory) -> list[dict]:
    """The examples as they were generated, in the order of the files."""
    names = _ids(_table(directory, ids="name")).tolist()
    by_name = {example["name"]: example for example in examples()}
    assert sorted(names) == sorted(by_name)
    return [by_name[name] for name in names]


def _columns(table: Concepts, names: list[str]) -> dict[str, list[bool]]:
    return dict(zip(names, table.masks(names).T.tolist(), strict=True))


def test_every_labeled_feature_becomes_concepts(directory):
    table = _table(directory)
    assert table.num_samples == NUM_EXAMPLES
    assert list(dict.fromkeys(name.split("=")[0] for name in table.names)) == [
        "attributes/Bald",
        "attributes/Smiling",
        "coarse",
        "flags[0]",
        "flags[1]",
        "flags[2]",
        "is_new",
        "label",
        "objects/color",
        "objects/is_truncated",
        "objects/label",
        "packed[0,0]",
        "packed[0,1]",
        "packed[1,0]",
        "packed[1,1]",
        "segmentation",
        "tags",
        "trimap",
    ]


def test_class_labels_and_their_sequences_are_presence(directory):
    expected, table = _in_order(directory), _table(directory)
    for path in ("label", "tags", "objects/label"):
        got = _columns(table, [f"{path}={name}" for name in CLASSES])
        for code, mask in enumerate(got.values()):
            outer, _, inner = path.partition("/")
            assert mask == [
                code in np.ravel(each[outer][inner] if inner else each[outer])
                for each in expected
            ]


def test_several_label_features_keep_apart(directory):
    expected, table = _in_order(directory), _table(directory)
    got = _columns(table, ["coarse=thing", "objects/color=red"])
    assert got["coarse=thing"] == [each["coarse"] == 1 for each in expected]
    assert got["objects/color=red"] == [
        0 in each["objects"]["color"] for each in expected
    ]


def test_flags_are_concepts_alone_in_dicts_vectors_and_sequences(directory):
    expected, table = _in_order(directory), _table(directory)
    got = _columns(
        table,
        [
            "is_new",
            "attributes/Smiling",
            "flags[2]",
            "packed[1,0]",
            "objects/is_truncated",
        ],
    )
    assert list(got.values()) == [
        [each["is_new"] for each in expected],
        [each["attributes"]["Smiling"] for each in expected],
        [bool(each["flags"][2]) for each in expected],
        [bool(each["packed"][1, 0]) for each in expected],
        [any(each["objects"]["is_truncated"]) for each in expected],
    ]


@pytest.mark.parametrize("min_area", [0.0, 0.01, 0.2, 0.5])
def test_a_class_of_a_map_needs_the_area(directory, min_area):
    expected, table = _in_order(directory), _table(directory, min_area=min_area)
    for code, name in enumerate(SCENES):
        areas = [(each["segmentation"] == code).mean() for each in expected]
        assert table.masks([f"segmentation={name}"])[:, 0].tolist() == [
            area > 0 and area >= min_area for area in areas
        ]


def test_an_area_that_is_computed_from_a_count_includes_it(directory):
    expected = _in_order(directory)
    for code, name in enumerate(SCENES):
        counts = [(each["segmentation"] == code).sum() for each in expected]
        least = max(counts)
        if not least:
            continue
        share = least / expected[counts.index(least)]["segmentation"].size
        table = _table(directory, min_area=share)
        assert table.masks([f"segmentation={name}"]).any()


def test_a_colormap_image_gives_the_values_that_occur(directory):
    expected, table = _in_order(directory), _table(directory, features="trimap")
    assert table.names == ("trimap=1", "trimap=2", "trimap=3")
    assert table.masks().tolist() == [
        [bool((each["trimap"] == code).mean() >= 0.01) for code in (1, 2, 3)]
        for each in expected
    ]


def test_an_image_that_is_named_is_a_map(directory):
    expected, table = _in_order(directory), _table(directory, features=["gray"])
    assert table.masks(["gray=1"])[:, 0].tolist() == [
        each["gray"][0, 0] == 1 for each in expected
    ]


def test_numbers_are_cut_at_quantiles_when_asked_for(directory):
    expected = _in_order(directory)
    table = _table(directory, features=["age", "height", "pose"], quantiles=4)
    ages = np.array([each["age"] for each in expected])
    cuts = np.quantile(ages, [0.25, 0.5, 0.75], method="inverted_cdf")
    names = [name for name in table.names if name.startswith("age")]
    assert names == [f"age>{cut}" for cut in cuts]
    np.testing.assert_array_equal(table.masks(names), ages[:, None] > cuts)
    for name in table.names:
        path, cut = name.split(">")
        of_place = {"age": None, "height": None, "pose[0]": 0, "pose[1]": 1}[path]
        values = [each[path.partition("[")[0]] for each in expected]
        numbers = values if of_place is None else [v[of_place] for v in values]
        mask = table.masks([name])[:, 0]
        assert mask.tolist() == [bool(number > float(cut)) for number in numbers]
        assert 0.1 < mask.mean() < 0.9


def test_the_largest_number_of_a_sequence_counts_and_none_is_below(directory):
    expected = _in_order(directory)
    table = _table(directory, features=["objects/area"], quantiles=[0.5])
    (name,) = table.names
    cut = float(name.partition(">")[2])
    assert table.masks()[:, 0].tolist() == [
        max(each["objects"]["area"], default=-np.inf) > cut for each in expected
    ]


def test_quantiles_add_every_number_to_the_labels(one_directory):
    names = _table(one_directory, quantiles=2).names
    cut = sorted(name.partition(">")[0] for name in names if ">" in name)
    assert cut == ["age", "count", "height", "objects/area"]


def test_unsigned_numbers_of_64_bits_stay_positive(one_directory):
    expected = _in_order(one_directory)
    table = _table(one_directory, features="count", quantiles=2)
    (name,) = table.names
    cut = float(name.removeprefix("count>"))
    assert 2**63 < cut < 2**64
    assert table.masks()[:, 0].tolist() == [each["count"] > cut for each in expected]


def test_text_is_a_concept_if_it_is_named(directory):
    expected, table = _in_order(directory), _table(directory, features=["breed"])
    assert table.names == ("breed=manx", "breed=siamese")
    assert table.masks(["breed=manx"])[:, 0].tolist() == [
        each["breed"] == "manx" for each in expected
    ]


def test_a_dict_stands_for_the_labels_in_it(one_directory):
    assert _table(one_directory, features="attributes").names == (
        "attributes/Bald",
        "attributes/Smiling",
    )


def test_ids_are_the_same_in_slices_sums_and_formats(tmp_path, one_directory):
    whole = _table(one_directory)
    assert _ids(whole).tolist() == [f"train-{i}" for i in range(NUM_EXAMPLES)]
    for split in ["train[5:9]", "train[-4:]", "train[:25%]", "train[7:8]+train[1:3]"]:
        part = _table(one_directory, split)
        assert 0 < part.num_samples < NUM_EXAMPLES
        assert part.fingerprint() == whole.align(_ids(part)).fingerprint()
    for file_format in FORMATS[1:]:
        other = _table(prepared(tmp_path / file_format, file_format))
        assert other.fingerprint() == whole.fingerprint()


def test_ids_may_be_a_feature(one_directory):
    ids = _ids(_table(one_directory, "train[2:4]", ids="name"))
    assert all(name.startswith("photo ") for name in ids)
    assert _ids(_table(one_directory, "train[2:4]", ids="age")).dtype == np.int64


def test_every_pixel_is_a_sample_with_positions(directory):
    expected = _in_order(directory)
    table = _table(directory, features="segmentation", positions=True)
    assert table.num_samples == NUM_EXAMPLES * 8 * 6
    pixels = np.stack([each["segmentation"] for each in expected]).reshape(-1)
    np.testing.assert_array_equal(table.masks(), pixels[:, None] == [0, 1, 2])
    ids = _ids(_table(directory))
    assert _ids(table).tolist() == position_ids(ids, (8, 6)).tolist()


def test_cells_hold_the_classes_that_have_the_area_there(one_directory):
    expected = _in_order(one_directory)
    table = _table(
        one_directory, features="segmentation", positions=(2, 3), min_area=0.5
    )
    maps = np.stack([each["segmentation"] for each in expected])
    cells = maps.reshape(NUM_EXAMPLES, 2, 4, 3, 2).transpose(0, 1, 3, 2, 4)
    shares = (cells.reshape(-1, 8, 1) == [0, 1, 2]).mean(axis=1)
    np.testing.assert_array_equal(table.masks(), shares >= 0.5)


def test_cells_of_unequal_size_are_judged_by_their_own(one_directory):
    table = _table(
        one_directory, features="segmentation", positions=(3, 4), min_area=1.0
    )
    maps = np.stack([each["segmentation"] for each in _in_order(one_directory)])
    rows, columns = np.arange(8) * 3 // 8, np.arange(6) * 4 // 6
    expected = [
        (of_cell == code).all()
        for each in maps
        for i in range(3)
        for j in range(4)
        for of_cell in [each[rows == i][:, columns == j]]
        for code in range(3)
    ]
    assert table.masks().ravel().tolist() == expected


def test_labels_of_the_image_are_repeated_for_its_positions(one_directory):
    table = _table(one_directory, features=["label", "trimap"], positions=(2, 2))
    labels = _table(one_directory, features=["label"]).masks()
    names = [f"label={name}" for name in CLASSES]
    np.testing.assert_array_equal(table.masks(names), np.repeat(labels, 4, axis=0))


def test_positions_alone_use_the_maps_alone(one_directory):
    table = _table(one_directory, positions=(2, 2), quantiles=3)
    assert {name.partition("=")[0] for name in table.names} == {
        "segmentation",
        "trimap",
    }


def test_maps_of_two_sizes_share_no_pixels(one_directory):
    with pytest.raises(
        ValueError, match=r"'trimap' is 4 by 5 pixels.*the 8 by 6 positi"
    ):
        _table(one_directory, positions=True)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"features": "lable"}, "got 'lable'.*did you mean 'label'"),
        ({"features": "age"}, "'age', which holds numbers: give `quantiles`"),
        ({"features": "objects/bbox"}, "BBoxFeature, of which no concepts"),
        (
            {"features": "image"},
            "record 0 of .* segmentation map must have one channel",
        ),
        ({"quantiles": 1}, "`quantiles` must be .* got 1"),
        ({"quantiles": [0.5, 1.5]}, "`quantiles` must be"),
        ({"min_area": 2.0}, r"`min_area` must be in \[0, 1\]; got 2.0"),
        ({"features": "label", "positions": True}, "needs a segmentation map"),
        ({"quantiles": []}, r"`quantiles` must be .* got \[\]"),
        ({"features": []}, "`features` must name at least one .* 'age' .numbers.,"),
        ({"positions": (0, 2)}, r"`positions` must be rows and columns.*got \(0, 2\)"),
        ({"positions": (9, 9)}, "record 0 of .* is 8 by 6 pixels, .*9 by 9 positions"),
        ({"ids": "nope"}, "`ids` must name a feature .* got 'nope'"),
        ({"ids": "tags"}, "record 0 of .* 'tags' must be one whole number or text"),
        ({"ids": "breed"}, "`ids` must be unique"),
        ({"split": "test"}, "`split` must be one of 'train', .*got 'test'"),
        ({"split": "train[:"}, "`split` must be one of"),
        ({"split": "train[5:5]"}, "`split` must hold at least one example"),
        ({"split": "train[:99999]"}, "`split` must be one of .* incompatible with 23"),
    ],
    ids=str,
)
def test_wrong_calls_say_what_is_wrong(one_directory, settings, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        _table(one_directory, **settings)


def test_numbers_that_are_all_equal_give_no_concept(one_directory):
    with pytest.raises(ValueError, match="no concept came of the features 'age'"):
        _table(one_directory, "train[:1]", features="age", quantiles=4)


def test_progress_is_shown_on_the_error_stream_and_can_be_turned_off(
    one_directory, capsys
):
    from_tfds(one_directory, "train")
    assert "23 samples" in capsys.readouterr().err
    from_tfds(one_directory, "train", progress=False)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("split", [0, None, ["train"]], ids=str)
def test_what_is_no_split_is_refused(one_directory, split):
    with pytest.raises(TypeError, match="`split` must be text such as 'test'"):
        _table(one_directory, split)


@pytest.mark.parametrize("split", ["train+train", "train[:5]+train[3:]"])
def test_a_split_that_reads_an_example_twice_is_refused(one_directory, split):
    with pytest.raises(ValueError, match=r"each example once; .*`train-\d` twice"):
        _table(one_directory, split)


@pytest.mark.parametrize("quantiles", [2.5, "4", [None], True], ids=str)
def test_what_are_no_quantiles_is_refused(quantiles):
    with pytest.raises(ValueError, match="`quantiles` must be a number of parts"):
        _probabilities(quantiles)


def test_features_that_are_no_paths_are_refused():
    features = tfds.features.FeaturesDict({"label": tfds.features.ClassLabel()})
    with pytest.raises(TypeError, match=r"`features` must be paths .*got 3; there are"):
        chosen_leaves(features, 3, with_numbers=False, positions=False)
