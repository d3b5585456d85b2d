"""The features of real data sets: of TFDS's mocks, and of files written from those.

The mocks have the structure of the real data, random values, and no files. Here the
values are made plausible and written as TFDS would write them, so that what is read
from files can be held against what went in.
"""

from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds

from invert_jax.concepts.tfds.gathering import from_tfds
from invert_jax.datasets.tfds.inputs import tfds_batches
from tests.datasets.tfds.prepared_datasets import by_hand, png

f = tfds.features
NUM_EXAMPLES = 7
# Of each data set some concepts, and the features that are read if they are named.
STRUCTURES: dict[str, tuple[list[str], dict[str, Any]]] = {
    "cifar100": (["coarse_label=19", "label=99"], {}),
    "celeb_a": (
        ["attributes/Smiling", "attributes/Young"],
        {"features": ["attributes", "landmarks"], "quantiles": 2},
    ),
    "voc": (["labels=person", "objects/label=cat", "objects/is_truncated"], {}),
    "clevr": (
        ["objects/color=red", "objects/shape=cube", "objects/material=metal"],
        {"features": ["objects", "objects/rotation"], "quantiles": 3},
    ),
    "open_images_v4": (["objects/label=/m/011k07", "bobjects/label=/m/011k07"], {}),
    "oxford_iiit_pet": (["label=Abyssinian", "species=Cat"], {}),
    "scene_parse150": (["annotation=0"], {"features": "annotation"}),
    "imagenet2012": (["label=n01440764"], {}),
}
MAPS = {"oxford_iiit_pet": "segmentation_mask", "scene_parse150": "annotation"}


def plausible(name: str, features: Any, number: int, example: dict) -> dict:
    """The example, its objects complete, a map of a few regions for one of noise."""
    for key, feature in features.items():
        if isinstance(feature, f.Sequence) and isinstance(example[key], dict):
            num_objects = min(map(len, example[key].values()))
            cut = {each: value[:num_objects] for each, value in example[key].items()}
            example = example | {key: cut}
    if name not in MAPS:
        return example
    regions = np.zeros((12, 10), np.uint8)
    regions[:, :4] = 1 + number % 3
    regions[number:, 7:] = 3
    channels = example[MAPS[name]].shape[-1]
    return example | {MAPS[name]: np.repeat(regions[..., None], channels, axis=-1)}


def as_given(feature: Any, value: Any) -> Any:
    """A decoded value as a builder would give it, images as PNG files."""
    if isinstance(feature, f.FeaturesDict):
        return {key: as_given(feature[key], value[key]) for key in feature}
    if isinstance(feature, f.Sequence):
        if isinstance(feature.feature, f.FeaturesDict):
            inner = feature.feature
            return {k: as_given(f.Sequence(inner[k]), value[k]) for k in inner}
        return [as_given(feature.feature, each) for each in value]
    if isinstance(feature, f.Image):
        # The maps of the real data are gray, whatever their feature says.
        is_gray = (value == value[..., :1]).all()
        return png(value[..., 0] if is_gray else value)
    if isinstance(feature, f.BBoxFeature):
        low, high = np.sort(np.reshape(value, (2, 2)), axis=0)
        return f.BBox(ymin=low[0], xmin=low[1], ymax=high[0], xmax=high[1])
    return value


def in_memory(name: str) -> tuple[Any, list[dict]]:
    """The features of a data set and some examples, decoded."""
    with tfds.testing.mock_data(num_examples=NUM_EXAMPLES):
        builder = tfds.builder(name)
        mocked = list(builder.as_data_source("train"))
    features = builder.info.features
    return features, [plausible(name, features, *each) for each in enumerate(mocked)]


def as_files(directory, features: Any, examples: list[dict]):
    """The directory of the examples as TFDS serializes them."""
    records = [features.serialize_example(as_given(features, e)) for e in examples]
    return by_hand(directory, features, records)


def true_of(feature: Any, value: Any, path: str = "") -> set[str]:
    """The names of the concepts of class labels, flags and maps that hold."""
    if isinstance(feature, f.Sequence):
        feature = feature.feature
    if isinstance(feature, f.FeaturesDict):
        inner = [true_of(feature[k], value[k], f"{path}/{k}") for k in feature]
        return set().union(*inner)
    codes, name = np.unique(value).tolist(), path[1:]
    if isinstance(feature, f.ClassLabel):
        return {f"{name}={feature.names[code]}" for code in codes}
    if name in MAPS.values():
        return {f"{name}={code}" for code in codes}
    is_flag = feature.np_dtype == np.bool_
    return {name} if is_flag and any(codes) else set()


@pytest.mark.parametrize("name", STRUCTURES)
def test_the_structures_of_real_data_sets_are_read_from_memory_and_files(
    name, tmp_path
):
    concepts, settings = STRUCTURES[name]
    features, examples = in_memory(name)
    tables = {}
    directory = as_files(tmp_path / "d", features, examples)
    tables["files"] = from_tfds(directory, "train", progress=False, **settings)
    source = lambda *_, **__: examples  # noqa: E731
    with tfds.testing.mock_data(as_data_source_fn=source):
        tables["memory"] = from_tfds(name, "train", progress=False, **settings)

    for table in tables.values():
        for example, mask in zip(examples, table.masks(), strict=True):
            named = np.array(table.names)[mask].tolist()
            labels = {each for each in named if ">" not in each}
            wanted = true_of(features, example)
            if settings:  # only some features are read, each with all its names
                wanted &= set(table.names)
            assert labels == wanted
        assert set(concepts) <= set(table.names)
        assert table.ids is not None and table.ids[6] == "train-6"
    assert tables["files"].fingerprint() == tables["memory"].fingerprint()


@pytest.mark.parametrize("name", MAPS)
def test_the_maps_of_real_data_sets_are_presence_pixels_and_inputs(name, tmp_path):
    features, examples = in_memory(name)
    directory = as_files(tmp_path / "d", features, examples)
    classes = np.stack([example[MAPS[name]][..., 0] for example in examples])
    values = np.unique(classes)
    settings: dict[str, Any] = {"features": MAPS[name], "progress": False}

    table = from_tfds(directory, "train", min_area=0.2, **settings)
    pixels = from_tfds(directory, "train", positions=True, **settings)
    (batch,) = tfds_batches(directory, "train", inputs=MAPS[name])

    assert pixels.names == tuple(f"{MAPS[name]}={value}" for value in values)
    assert pixels.ids is not None and pixels.ids[-1] == "train-6@11,9"
    np.testing.assert_array_equal(pixels.masks(), classes.ravel()[:, None] == values)
    areas = (classes[..., None] == values).mean(axis=(1, 2))
    assert table.masks(pixels.names).tolist() == (areas >= 0.2).tolist()
    np.testing.assert_array_equal(batch.inputs[..., 0], classes)


def test_a_data_set_of_images_alone_says_how_to_name_the_map(tmp_path):
    directory = as_files(tmp_path / "d", *in_memory("scene_parse150"))
    message = (
        r"must have a label .* it has 'annotation' \(an image\), 'image' .*; name "
        r"those to use by `features=\[...\]`: an image that is named is a map"
    )
    with pytest.raises(ValueError, match=message):
        from_tfds(directory, "train", progress=False)
    with pytest.raises(ValueError, match=r"record 0 of .* map must have one channel"):
        from_tfds(directory, "train", features="image", progress=False)
