"""Odd and damaged examples, written by hand."""

import re
import zlib

import numpy as np
import pytest
import tensorflow_datasets as tfds

from invert_jax.concepts.tfds.gathering import from_tfds
from invert_jax.datasets.tfds.inputs import tfds_batches
from tests.datasets.tfds.prepared_datasets import by_hand, png, record_of

f = tfds.features
NUM_TRIALS = 100
PAIR = f.FeaturesDict({"label": f.ClassLabel(num_classes=2)})


def _masks(directory, **settings) -> dict[str, list[int]]:
    table = from_tfds(directory, "train", progress=False, **settings)
    columns = table.masks().T.astype(int).tolist()
    return dict(zip(table.names, columns, strict=True))


def test_sequences_in_sequences_are_presence(tmp_path):
    rooms = f.Sequence({"inner": f.Sequence(f.ClassLabel(num_classes=3))})
    records = [
        record_of(
            rooms__inner__ragged_flat_values=[0, 2],
            rooms__inner__ragged_row_lengths_0=[1, 0, 1],
        ),
        record_of(
            rooms__inner__ragged_flat_values=[],
            rooms__inner__ragged_row_lengths_0=[],
        ),
    ]
    directory = by_hand(tmp_path / "d", f.FeaturesDict({"rooms": rooms}), records)
    assert _masks(directory) == {
        "rooms/inner=0": [1, 0],
        "rooms/inner=1": [0, 0],
        "rooms/inner=2": [1, 0],
    }


def test_a_nested_data_set_is_a_sequence(tmp_path):
    steps = f.Dataset({"action": f.ClassLabel(num_classes=2), "done": np.bool_})
    records = [
        record_of(steps__action=[1, 1, 1], steps__done=[0, 0, 1]),
        record_of(steps__action=[0, 1], steps__done=[0, 0]),
    ]
    directory = by_hand(tmp_path / "d", f.FeaturesDict({"steps": steps}), records)
    assert _masks(directory) == {
        "steps/action=0": [0, 1],
        "steps/action=1": [1, 1],
        "steps/done": [1, 0],
    }


def test_sequences_of_fixed_length_are_vectors_of_flags_but_sets_of_classes(tmp_path):
    features = f.FeaturesDict(
        {
            "flags": f.Sequence(np.bool_, length=2),
            "pairs": f.Sequence(f.Tensor(shape=(2,), dtype=np.bool_)),
            "tags": f.Sequence(f.ClassLabel(num_classes=2), length=2),
        }
    )
    records = [
        record_of(flags=[0, 1], pairs=[0, 1, 0, 1, 0, 0], tags=[1, 1]),
        record_of(flags=[1, 0], pairs=[], tags=[0, 1]),
    ]
    assert _masks(by_hand(tmp_path / "d", features, records)) == {
        "flags[0]": [0, 1],
        "flags[1]": [1, 0],
        "pairs[0]": [0, 0],
        "pairs[1]": [1, 0],
        "tags=0": [0, 1],
        "tags=1": [1, 1],
    }


def test_a_tensor_of_open_shape_is_any_of_its_flags(tmp_path):
    features = f.FeaturesDict(
        {"mask": f.Tensor(shape=(None, None), dtype=np.bool_, encoding="bytes")}
    )
    records = [
        record_of(mask__shape=[1, 2], mask__value=[b"\0\1"]),
        record_of(mask__shape=[2, 1], mask__value=[b"\0\0"]),
    ]
    assert _masks(by_hand(tmp_path / "d", features, records)) == {"mask": [1, 0]}


def test_missing_optional_values_are_false_and_no_number(tmp_path):
    features = f.FeaturesDict(
        {
            "flag": f.Tensor(shape=(), dtype=np.bool_, optional=True),
            "age": f.Tensor(shape=(), dtype=np.int64, optional=True),
        }
    )
    ages = [record_of(flag=[1], age=[age]) for age in (10, 20, 30)]
    directory = by_hand(tmp_path / "d", features, [record_of(), *ages])
    assert _masks(directory, quantiles=3) == {
        "age>10": [0, 0, 1, 1],
        "age>20": [0, 0, 0, 1],
        "flag": [0, 1, 1, 1],
    }


def test_numbers_that_are_not_finite_make_no_cut(tmp_path):
    features = f.FeaturesDict({"height": np.float32})
    heights = [np.nan, -np.inf, 1.5, 2.5, np.inf]
    records = [record_of(height=[height]) for height in heights]
    directory = by_hand(tmp_path / "d", features, records)
    assert _masks(directory, quantiles=2) == {"height>1.5": [0, 0, 0, 1, 1]}


def test_pixels_of_the_largest_value_have_no_class(tmp_path):
    features = f.FeaturesDict({"map": f.LabeledImage(labels=2)})
    pixels = np.array([[0, 255], [1, 255]], np.uint8)
    directory = by_hand(
        tmp_path / "d", features, [record_of(map=[png(pixels).getvalue()])]
    )
    assert _masks(directory, positions=True) == {
        "map=0": [1, 0, 0, 0],
        "map=1": [0, 0, 1, 0],
    }
    assert _masks(directory, min_area=0.26) == {"map=0": [0], "map=1": [0]}


def test_classes_without_names_have_their_numbers(tmp_path):
    directory = by_hand(tmp_path / "d", PAIR, [record_of(label=[1])])
    assert _masks(directory) == {"label=0": [0], "label=1": [1]}


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (record_of(label=[2]), r"'label' must be a class in 0 … 1, or -1 .*got 2"),
        (record_of(label=[-2]), r"'label' must be a class in 0 … 1, or -1 .*got -2"),
        (record_of(label=[0, 1]), "'label' must have 1 values; got 2"),
        (record_of(label=[]), "'label' must have 1 values; got 0"),
        (record_of(lable=[1]), r"lacks the feature 'label'; it has \['lable'\]"),
        (record_of(label=[b"cat"]), "'label' must be stored as int64_list; got bytes_"),
        (b"\xff\xff\xff", "cannot be read: it is no `tf.train.Example`: .*pars"),
        (b"", "lacks the feature 'label'"),
    ],
)
def test_a_bad_example_is_named_with_its_file(tmp_path, record, message):
    records = [record_of(label=[0])] * 3 + [record]
    directory = by_hand(tmp_path / "d", PAIR, records)
    with pytest.raises(
        ValueError, match=f"(?s)record 3 of `.*by_hand-train.tfrecord-.*{message}"
    ):
        _masks(directory)


@pytest.mark.parametrize("damage", ["empty", "random", "truncated", "too long"])
def test_corrupt_images_and_maps_are_named(tmp_path, rng, damage):
    features = f.FeaturesDict(
        {"image": f.Image(shape=(64, 64, 3)), "map": f.LabeledImage(labels=3)}
    )
    image = png(rng.integers(256, size=(64, 64, 3)).astype(np.uint8)).getvalue()
    small = png(np.zeros((2, 2), np.uint8)).getvalue()
    bad = {
        "empty": b"",
        "random": rng.bytes(500),
        "truncated": image[: len(image) // 2],
        "too long": image[:100] + rng.bytes(500),
    }[damage]
    records = [record_of(image=[image], map=[small]), record_of(image=[bad], map=[bad])]
    directory = by_hand(tmp_path / "d", features, records)
    place = r"record 1 of .*tfrecord-.* cannot be read: the feature"
    with pytest.raises(ValueError, match=f"{place} 'map': "):
        _masks(directory)
    with pytest.raises(ValueError, match=f"{place} 'image': "):
        list(tfds_batches(directory, "train", inputs="image"))


def test_a_class_of_a_map_outside_the_names_is_named(tmp_path):
    features = f.FeaturesDict({"map": f.LabeledImage(labels=3)})
    record = record_of(map=[png(np.full((2, 2), 7, np.uint8)).getvalue()])
    directory = by_hand(tmp_path / "d", features, [record])
    with pytest.raises(ValueError, match=r"record 0 .*'map' must .* 255 .* got 7"):
        _masks(directory)


FUZZED = f.FeaturesDict(
    {
        "age": np.int64,
        "flag": np.bool_,
        "height": np.float32,
        "image": f.Image(shape=(None, None, 3)),
        "label": f.ClassLabel(num_classes=2),
        "map": f.LabeledImage(labels=2),
        "name": f.Text(),
        "packed": f.Tensor(shape=(3,), dtype=np.bool_, encoding="zlib"),
        "rooms": f.Sequence({"inner": f.Sequence(f.ClassLabel(num_classes=3))}),
        "tags": f.Sequence(f.ClassLabel(num_classes=2)),
    }
)


def _fuzzed_values() -> dict[str, list]:
    """The values of a good example."""
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    return {
        "age": [37],
        "flag": [1],
        "height": [1.5],
        "image": [png(pixels).getvalue()],
        "label": [1],
        "map": [png(np.eye(4, dtype=np.uint8)).getvalue()],
        "name": [b"a photo"],
        "packed": [zlib.compress(bytes([1, 0, 1]))],
        "rooms/inner/ragged_flat_values": [0, 2],
        "rooms/inner/ragged_row_lengths_0": [1, 1],
        "tags": [0, 1],
    }


def _changed_bytes(rng) -> bytes:
    """A good example with bytes changed, left out, cut off or put in."""
    record = bytearray(record_of(**_fuzzed_values()))
    start = rng.integers(len(record))
    how = rng.integers(4)
    if how == 0:
        for place in rng.integers(len(record), size=rng.integers(1, 4)):
            record[place] = rng.integers(256)
    elif how == 1:
        del record[start : start + rng.integers(1, 20)]
    elif how == 2:
        del record[start:]
    else:
        record[start:start] = rng.bytes(rng.integers(1, 20))
    return bytes(record)


ODD_LISTS: list[list] = [
    [], [0], [-1], [2], [1, 1], [2**63 - 1], [-(2**63)], [0] * 70, [b""], [b"\xff\0"],
    [b"a", b"b"], [0.5], [float("nan")], [float("inf")], [1e38, -1e38],
    [zlib.compress(b"")], [zlib.compress(bytes(999))],
    [png(np.zeros((1, 1), np.uint8)).getvalue()],
    [png(np.full((9, 9), 255, np.uint8)).getvalue()],
    [png(np.full((2, 2), 999, np.uint16)).getvalue()],
]  # fmt: skip


def _changed_values(rng) -> bytes:
    """A good example with an odd list in the place of one of its values."""
    values = _fuzzed_values()
    key = list(values)[rng.integers(len(values))]
    return record_of(**(values | {key: ODD_LISTS[rng.integers(len(ODD_LISTS))]}))


@pytest.mark.parametrize("changed", [_changed_bytes, _changed_values])
def test_a_damaged_example_is_read_or_named(tmp_path, rng, changed):
    """Whatever is changed in a good example, only our error comes out."""
    good = record_of(**_fuzzed_values())
    num_refused = {"concepts": 0, "inputs": 0}
    for trial in range(NUM_TRIALS):
        record = good if trial == 0 else changed(rng)
        directory = by_hand(tmp_path / str(trial), FUZZED, [good, record])
        for what, read in {"concepts": _all_concepts, "inputs": _all_inputs}.items():
            try:
                read(directory)
            except ValueError as error:
                assert trial, "the good example is read"
                num_refused[what] += 1
                assert re.match(r"record 1 of `.*-00000-of-00001` ", str(error))
                assert re.search(r"the (feature|map) '|tf.train.Example", str(error))
                assert "Type-check" not in str(error), "our own check, not the test's"
    for refused in num_refused.values():
        assert NUM_TRIALS // 10 < refused < NUM_TRIALS, "some are read, some refused"


def _all_concepts(directory) -> None:
    features = [path for path in FUZZED if path != "image"]
    table = from_tfds(
        directory, "train", features=features, quantiles=2, progress=False
    )
    assert table.num_samples == 2


def _all_inputs(directory) -> None:
    features = [path for path in FUZZED if path not in ("rooms", "tags")]
    (batch,) = tfds_batches(directory, "train", inputs=features, size=(4, 4), workers=1)
    assert set(batch.inputs) == set(features)


def test_a_number_is_not_above_the_cut_that_it_gives(tmp_path):
    features = f.FeaturesDict({"half": np.float16, "single": np.float32})
    values = [0.1, 0.3, 0.5, 0.7, 0.9]
    records = [record_of(half=[float(np.float16(v))], single=[v]) for v in values]
    masks = _masks(by_hand(tmp_path / "d", features, records), quantiles=5)
    assert masks == {
        f"{name}>{cut}": [int(value > cut) for value in values]
        for name in ("half", "single")
        for cut in values[:-1]
    }


def test_integers_beyond_2_to_the_53_are_told_apart(tmp_path):
    features = f.FeaturesDict({"key": np.int64, "ages": f.Sequence(np.int64)})
    records = [record_of(key=[2**53 + i], ages=[i, -i] if i else []) for i in range(4)]
    assert _masks(by_hand(tmp_path / "d", features, records), quantiles=4) == {
        "ages>1": [0, 0, 1, 1],
        "ages>2": [0, 0, 0, 1],
        "key>9007199254740992": [0, 1, 1, 1],
        "key>9007199254740993": [0, 0, 1, 1],
        "key>9007199254740994": [0, 0, 0, 1],
    }


@pytest.mark.parametrize("min_area", [0.07, 0.14, 0.28, 0.55, 0.57])
def test_a_class_that_has_exactly_the_area_is_there(tmp_path, min_area):
    features = f.FeaturesDict({"map": f.LabeledImage(labels=2)})
    num_pixels = round(min_area * 100)
    pixels = (np.arange(100).reshape(10, 10) < num_pixels).astype(np.uint8)
    record = record_of(map=[png(pixels).getvalue()])
    directory = by_hand(tmp_path / "d", features, [record])
    assert _masks(directory, min_area=min_area)["map=1"] == [1]
    assert _masks(directory, min_area=min_area + 1e-9)["map=1"] == [0]


@pytest.mark.parametrize("kind", ["one", "sequence", "nested"])
def test_a_feature_that_no_record_has_is_not_taken_for_none(tmp_path, kind):
    label = f.ClassLabel(num_classes=2)
    feature = {
        "one": label,
        "sequence": f.Sequence(label),
        "nested": f.Sequence(f.Sequence(label)),
    }[kind]
    features = f.FeaturesDict({"label": feature})
    directory = by_hand(tmp_path / "d", features, [record_of(other=[1])])
    with pytest.raises(
        ValueError, match=r"record 0 .*lacks the feature 'label'.*other"
    ):
        _masks(directory)
