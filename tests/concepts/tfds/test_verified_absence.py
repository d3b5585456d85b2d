"""Data sets that say what is not there, or how sure they are: LVIS, Open Images."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

from invert_jax.concepts.tfds.gathering import from_tfds
from tests.datasets.tfds.prepared_datasets import by_hand, record_of

f = tfds.features
NAMES = ["dog", "cat", "car"]
DOG, CAT, CAR = range(3)


@pytest.fixture(scope="module")
def lvis(tmp_path_factory):
    classes = f.ClassLabel(names=NAMES)
    features = f.FeaturesDict(
        {
            "neg_category_ids": f.Sequence(classes),
            "not_exhaustive_category_ids": f.Sequence(classes),
            "objects": f.Sequence({"label": classes}),
        }
    )
    records = [
        record_of(
            neg_category_ids=[DOG, CAT],
            not_exhaustive_category_ids=[],
            objects__label=[CAR],
        ),
        record_of(
            neg_category_ids=[CAT],
            not_exhaustive_category_ids=[DOG],
            objects__label=[DOG, DOG],
        ),
    ]
    return by_hand(tmp_path_factory.mktemp("lvis") / "1.0.0", features, records)


def test_lists_of_what_is_absent_make_no_concepts(lvis):
    with pytest.warns(UserWarning, match=r"1 of 6 pairs .* such as 'dog', 'cat'"):
        table = from_tfds(lvis, "train", progress=False)
    assert table.names == tuple(f"objects/label={name}" for name in NAMES)
    assert table.num_positives.tolist() == [1, 0, 1]


def test_what_is_unknown_can_be_refused_or_read_as_absent(lvis):
    with pytest.raises(ValueError, match="1 of 6 pairs"):
        from_tfds(lvis, "train", unknown="error", progress=False)
    table = from_tfds(lvis, "train", unknown="absent", progress=False)
    assert table.num_positives.tolist() == [1, 0, 1]
    with pytest.raises(ValueError, match="`unknown` must be 'error'"):
        from_tfds(lvis, "train", unknown="no", progress=False)


def test_classes_are_known_by_their_names_whatever_their_order(tmp_path):
    features = f.FeaturesDict(
        {
            "negative": f.Sequence(f.ClassLabel(names=NAMES[::-1])),
            "objects": f.Sequence({"label": f.ClassLabel(names=NAMES)}),
        }
    )
    # A dog, and no cat: of the car nothing is known.
    records = [record_of(negative=[1], objects__label=[DOG])]
    path = by_hand(tmp_path / "1.0.0", features, records)
    with pytest.warns(UserWarning, match=r"1 of 3 pairs .* such as .*'dog', .*'cat'"):
        from_tfds(path, "train", progress=False)


@pytest.mark.parametrize("name", ["neg_category_ids", "not_exhaustive_category_ids"])
def test_a_list_of_what_is_absent_cannot_be_named(lvis, name):
    with pytest.raises(ValueError, match=f"names '{name}', which lists classes that"):
        from_tfds(lvis, "train", features=name, progress=False)


@pytest.mark.parametrize("dtype", [np.int64, np.float32])
def test_classes_below_a_confidence_do_not_count(tmp_path, dtype):
    classes = f.ClassLabel(names=NAMES)
    objects = f.Sequence(
        {
            "label": classes,
            "confidence": f.Scalar(dtype),
            "is_small": f.Scalar(np.bool_),
        }
    )
    number = float if dtype is np.float32 else int
    records = [
        record_of(
            objects__label=labels,
            objects__confidence=list(map(number, sure)),
            objects__is_small=[1] * len(sure),
        )
        for labels, sure in [([DOG, CAR], [0, 4]), ([DOG], [10])]
    ]
    path = by_hand(tmp_path / "1.0.0", f.FeaturesDict({"objects": objects}), records)
    table = from_tfds(path, "train", progress=False)
    assert table.num_positives.tolist() == [2, 1, 0, 1]
    sure = from_tfds(path, "train", min_confidence=5.0, progress=False)
    assert sure.num_positives.tolist() == [1, 1, 0, 0]


def test_a_confidence_needs_a_feature_that_has_one(lvis):
    with pytest.raises(ValueError, match="`min_confidence` needs a list of objects"):
        from_tfds(lvis, "train", min_confidence=0.5, progress=False)
