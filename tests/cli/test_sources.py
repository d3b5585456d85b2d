"""Concepts that a command line names, as a user names them."""

import json

import numpy as np
import pytest

import invert_jax as ij
from invert_jax import Explanations
from invert_jax.cli import main
from invert_jax.cli.sources import read_concepts, split_tfds
from invert_jax.concepts.wordnet.imagenet_classes import (
    imagenet_validation_labels,
    imagenet_wnids,
)
from tests.datasets.tfds.prepared_datasets import NUM_EXAMPLES, prepared

NAMES = ["cat", "dog", "ship"]


@pytest.fixture(scope="module", params=["array_record", "tfrecord"])
def directory(request, tmp_path_factory):
    return prepared(tmp_path_factory.mktemp(request.param), request.param)


def explained(folder, activations, concepts, *words):
    """The labels that `invert-jax explain acts.npy --concepts ...` writes."""
    np.save(folder / "acts.npy", activations)
    command = ["explain", str(folder / "acts.npy"), "--concepts", concepts, "-q"]
    command += ["-o", str(folder / "labels"), "--max-length", "1", *words]
    assert main(command) == 0
    return Explanations.load(folder / "labels")


def best(explanations):
    return [str(formulas[0]) for formulas in explanations.formulas]


# By hand.


@pytest.mark.parametrize(
    ("source", "name", "split"),
    [
        ("tfds:cifar10:test", "cifar10", "test"),
        ("tfds:voc/2012:train[10%:]", "voc/2012", "train[10%:]"),
        ("tfds:data/cifar10/3.0.2:train+test", "data/cifar10/3.0.2", "train+test"),
        ("tfds:gs://bucket/cifar10:test[:3]", "gs://bucket/cifar10", "test[:3]"),
    ],
)
def test_the_split_is_behind_the_last_colon(source, name, split):
    assert split_tfds(source) == (name, split)


def test_a_tfds_folder_and_split_become_its_labels(directory):
    whole = read_concepts(f"tfds:{directory}:train", progress=False)
    part = read_concepts(f"tfds:{directory}:train[2:7]", progress=False)

    assert whole.num_samples == NUM_EXAMPLES and "label=cat" in whole.names
    assert part.ids is not None and part.ids.tolist() == [
        f"train-{number}" for number in range(2, 7)
    ]
    np.testing.assert_array_equal(part.masks(), whole.masks()[2:7])


@pytest.mark.parametrize("content", ["949\n950\n", "949 950"])
def test_imagenet_labels_may_be_indices_in_a_text_file(tmp_path, content):
    (tmp_path / "labels.txt").write_text(content)
    concepts = read_concepts(f"imagenet:{tmp_path / 'labels.txt'}")
    assert concepts.num_concepts == 1472
    assert concepts.masks(["strawberry", "citrus", "edible_fruit"]).tolist() == [
        [True, False, True],
        [False, True, True],
    ]


def test_imagenet_labels_may_be_wnids_or_an_array(tmp_path):
    labels = [3, 999, 0]
    wnids = [imagenet_wnids()[label] for label in labels]
    (tmp_path / "wnids.txt").write_text("\n".join(wnids))
    np.save(tmp_path / "labels.npy", labels)
    np.save(tmp_path / "wnids.npy", wnids)

    expected = ij.concepts.imagenet(labels).fingerprint()

    for name in ("wnids.txt", "labels.npy", "wnids.npy"):
        concepts = read_concepts(f"imagenet:{tmp_path / name}")
        assert concepts.fingerprint() == expected


@pytest.mark.parametrize("kind", ["csv", "npz", "json"])
def test_a_file_is_read_by_its_name(tmp_path, kind):
    path = tmp_path / f"concepts.{kind}"
    masks = np.array([[1, 0], [0, 1], [1, 1]], bool)
    if kind == "csv":
        path.write_text("cat,dog\n1,0\n0,1\n1,1\n")
    elif kind == "npz":
        np.savez(path, masks=masks, names=["cat", "dog"])
    else:
        path.write_text(json.dumps({"a": ["cat"], "b": ["dog"], "c": ["cat", "dog"]}))
    concepts = read_concepts(str(path))
    assert concepts.names == ("cat", "dog")
    np.testing.assert_array_equal(concepts.masks(), masks)


# Through the command line, to labels.


def test_neurons_are_explained_by_a_tfds_data_set(directory, tmp_path, rng):
    concepts = ij.concepts.from_tfds(directory, "train", progress=False)
    wanted = ["attributes/Smiling", "coarse=thing"]
    activations = concepts.masks(wanted) + 0.1 * rng.normal(size=(NUM_EXAMPLES, 2))
    found = explained(tmp_path, activations, f"tfds:{directory}:train")
    # `coarse=animal` is the opposite of `coarse=thing`, so that either may be named.
    assert best(found)[0] == wanted[0]
    assert best(found)[1] in ("coarse=thing", "~coarse=animal")


def test_no_bar_is_shown_when_it_is_turned_off(directory, capsys):
    read_concepts(f"tfds:{directory}:train", progress=False)
    assert capsys.readouterr() == ("", "")


def test_neurons_are_explained_by_the_labels_of_imagenet(tmp_path, rng):
    wnids = imagenet_validation_labels()[:4000]
    np.save(tmp_path / "wnids.npy", wnids)
    concepts = ij.concepts.imagenet(wnids)
    wanted = ["dog", "bird", "fruit"]
    noise = rng.normal(size=(len(wnids), len(wanted)))
    activations = (concepts.masks(wanted) + 0.2 * noise).astype(np.float32)

    found = explained(
        tmp_path, activations, f"imagenet:{tmp_path / 'wnids.npy'}",
        "--min-fraction", "0.005",
    )  # fmt: skip

    assert best(found) == wanted
    assert (found.scores[:, 0] > 0.99).all()


def test_neurons_are_explained_by_a_file(tmp_path, rng):
    masks = rng.random((300, len(NAMES))) < 0.3
    rows = [f"{i}.png,{','.join(map(str, row))}" for i, row in enumerate(masks * 1)]
    (tmp_path / "masks.csv").write_text("\n".join([f"image,{','.join(NAMES)}", *rows]))
    activations = masks + 0.1 * rng.normal(size=masks.shape)
    found = explained(tmp_path, activations, str(tmp_path / "masks.csv"))
    assert best(found) == NAMES


# Wrong calls.


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("tfds:", "must be followed by a name or folder and a split"),
        ("tfds:cifar10", "a split, as tfds:cifar10:test; got 'tfds:cifar10'"),
        ("tfds:cifar10:", "must be followed by a name"),
        ("tfds::test", "must be followed by a name"),
        ("tfds:/nowhere:test", "`/nowhere` is no directory"),
        ("tfds:no_such_name:test", "TFDS knows no data set of that name"),
        ("masks.zip", r"`path` must be a file that exists; got masks\.zip"),
        ("masks.csv", r"`path` must be a file that exists; got masks\.csv"),
        ("imagenet:none.txt", r"must name a file; none\.txt does not exist"),
        ("imagenet:", "`imagenet:` must name a file"),
    ],
)
def test_what_names_no_concepts_is_refused(source, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        read_concepts(source)


@pytest.mark.parametrize("split", ["tset", "train[", "train[:5x]"])
def test_an_unknown_split_is_refused(directory, split):
    with pytest.raises(ValueError, match="`split`"):
        read_concepts(f"tfds:{directory}:{split}", progress=False)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "at least one sample"),
        ("0 1 1000", r"class indices in \[0, 1000\).*got 1000 for sample 2"),
        ("3 -1", r"class indices in \[0, 1000\).*got -1 for sample 1"),
        ("99999999999999999999", "must be wnids"),
        ("tench goldfish", "must be wnids.*got 'goldfish', 'tench'"),
    ],
)
def test_labels_that_are_not_imagenets_are_refused(tmp_path, content, message):
    (tmp_path / "labels.txt").write_text(content)
    with pytest.raises(ValueError, match=message):
        read_concepts(f"imagenet:{tmp_path / 'labels.txt'}")


def test_pickled_or_short_label_arrays_are_refused(tmp_path):
    np.save(tmp_path / "pickled.npy", np.array([{}]), allow_pickle=True)
    np.save(tmp_path / "short.npy", np.arange(100))
    content = (tmp_path / "short.npy").read_bytes()
    (tmp_path / "short.npy").write_bytes(content[:-100])
    for name in ("pickled.npy", "short.npy"):
        with pytest.raises(ValueError, match=rf"{name} cannot be read as npy"):
            read_concepts(f"imagenet:{tmp_path / name}")


# Sources together.


def attributes_file(path, ids, values):
    """A table of one attribute that a user has noted by hand."""
    rows = [f"{id_},{int(value)}" for id_, value in zip(ids, values, strict=True)]
    path.write_text("\n".join(["id,watermark", *rows]))
    return path


def test_a_table_from_a_file_joins_a_tfds_data_set_by_ids(directory, tmp_path, rng):
    labels = ij.concepts.from_tfds(directory, "train", progress=False)
    values = rng.random(NUM_EXAMPLES) < 0.5
    path = attributes_file(tmp_path / "marks.csv", labels.ids, values)

    both = labels.join(ij.concepts.from_file(path))

    assert both.names == (*labels.names, "watermark")
    assert both.masks(["watermark"])[:, 0].tolist() == values.tolist()


def test_tables_of_other_samples_are_neither_joined_nor_stacked_twice(
    directory, tmp_path
):
    labels = ij.concepts.from_tfds(directory, "train", progress=False)
    ids = [f"train-{number}" for number in range(1, NUM_EXAMPLES + 1)]
    path = attributes_file(tmp_path / "marks.csv", ids, [True] * NUM_EXAMPLES)
    with pytest.raises(ValueError, match=r"same samples.*'train-0'"):
        labels.join(ij.concepts.from_file(path))
    half = ij.concepts.from_tfds(directory, "train[:5]", progress=False)
    with pytest.raises(ValueError, match="other samples; got 'train-0' in both"):
        labels.stack(half, missing="absent")


def test_the_cells_of_coco_boxes_are_the_positions_of_a_layer(tmp_path, rng):
    """Bright boxes on dark pictures: the layer that sees brightness is the concept."""
    pictures = 0.1 * rng.random((30, 8, 8)).astype(np.float32)
    images, annotations = [], []
    for number, picture in enumerate(pictures):
        row, column = rng.integers(4, size=2) * 2
        picture[row : row + 2, column : column + 2] += 1
        images.append(
            {"id": number, "file_name": f"{number}.jpg", "width": 8, "height": 8}
        )
        where = {"category_id": 1 + number % 2, "bbox": [int(column), int(row), 2, 2]}
        annotations.append({"id": number, "image_id": number} | where)
    categories = [
        {"id": 1, "name": "cat", "supercategory": "animal"},
        {"id": 2, "name": "dog", "supercategory": "animal"},
    ]
    path = tmp_path / "instances_val.json"
    path.write_text(
        json.dumps(
            {"images": images, "annotations": annotations, "categories": categories}
        )
    )
    batch = ij.activations.Batch(pictures, [each["file_name"] for each in images])

    def model(pictures):
        cells = pictures.reshape(-1, 4, 2, 4, 2).mean((2, 4))
        return {"cells": cells[..., None]}

    cells = ij.activations.collect(model, [batch], pool="positions", progress=False)
    concepts = ij.concepts.from_file(path, boxes=(4, 4))
    explanations = ij.explain(
        cells["cells"], concepts, max_length=1, min_fraction=0.05,
        options=ij.Options(progress=False),
    )  # fmt: skip

    assert concepts.ids is not None and cells["cells"].ids is not None
    assert concepts.ids.tolist() == cells["cells"].ids.tolist()
    assert concepts.ids[5].item() == "0.jpg@1,1"
    assert best(explanations) == ["supercategory=animal"]
    assert explanations.scores[0, 0] == 1
