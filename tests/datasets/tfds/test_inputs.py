import io
import threading

import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

import invert_jax as ij
from invert_jax.activations import collect
from invert_jax.concepts.tfds.gathering import from_tfds
from invert_jax.datasets.tfds.inputs import tfds_batches
from tests.datasets.tfds.prepared_datasets import (
    NUM_EXAMPLES,
    by_hand,
    examples,
    png,
    prepared,
    record_of,
)

FORMATS = ["array_record", "parquet", "tfrecord"]


@pytest.fixture(scope="module", params=FORMATS)
def directory(request, tmp_path_factory):
    return prepared(tmp_path_factory.mktemp(request.param), request.param)


def _joined(batches) -> tuple[np.ndarray, np.ndarray]:
    inputs, ids, _ = zip(*batches, strict=True)
    return np.concatenate(inputs), np.concatenate(ids)


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("batch_size", [1, 5, 100])
def test_inputs_come_in_the_order_and_with_the_ids_of_the_concepts(
    directory, workers, batch_size
):
    batches = tfds_batches(
        directory, "train", inputs="image", batch_size=batch_size, workers=workers
    )
    inputs, ids = _joined(batches)
    concepts = from_tfds(directory, "train", progress=False)
    names = from_tfds(directory, "train", ids="name", progress=False).ids
    assert names is not None
    by_name = {example["name"]: example["image"] for example in examples()}

    assert len(batches) == len(list(batches)) == -(-NUM_EXAMPLES // batch_size)
    assert batches.num_samples == NUM_EXAMPLES
    np.testing.assert_array_equal(ids, concepts.ids)
    np.testing.assert_array_equal(inputs, [by_name[name] for name in names])


def test_slices_are_parts_of_the_whole(directory):
    inputs, ids = _joined(tfds_batches(directory, "train", inputs="image"))
    for split, part in [
        ("train[:10%]", slice(0, 2)),
        ("train[7:19]", slice(7, 19)),
        ("train[-3:]", slice(20, 23)),
    ]:
        got, got_ids = _joined(
            tfds_batches(directory, split, inputs="image", batch_size=4)
        )
        np.testing.assert_array_equal(got, inputs[part])
        assert got_ids.tolist() == ids[part].tolist()


def test_the_batches_are_ready_for_collect(directory):
    batches = tfds_batches(directory, "train", inputs="image", batch_size=8)
    concepts = from_tfds(directory, "train", progress=False)

    def model(images):
        return {"ink": jnp.mean(images.astype(jnp.float32), axis=(1, 2))}

    ink = collect(model, batches, progress=False)["ink"]

    images, _ = _joined(batches)
    np.testing.assert_allclose(ink, images.mean((1, 2), dtype=np.float64), rtol=1e-6)
    assert ink.ids is not None and concepts.ids is not None
    assert ink.ids.tolist() == concepts.ids.tolist()


def test_any_feature_and_several_can_be_inputs(directory):
    names = ["age", "flags", "packed", "pose"]
    (batch,) = tfds_batches(directory, "train", inputs=names, ids="name")
    by_name = {example["name"]: example for example in examples()}
    expected = [by_name[name] for name in batch.ids]
    for name in names:
        stacked = np.array([each[name] for each in expected])
        np.testing.assert_array_equal(batch.inputs[name], stacked)
    dtypes = {name: batch.inputs[name].dtype.name for name in names}
    assert dtypes == {
        "age": "int32",
        "flags": "bool",
        "packed": "bool",
        "pose": "float32",
    }


def test_a_transform_makes_arrays_of_text_and_runs_in_the_workers(directory):
    threads = set()

    def length(text: str) -> np.ndarray:
        threads.add(threading.current_thread().name)
        return np.array([len(text)])

    (batch,) = tfds_batches(directory, "train", inputs="breed", transform=length)
    assert set(batch.inputs.ravel().tolist()) == {4, 7}
    assert threading.current_thread().name not in threads


def test_images_are_resized_as_a_whole(tmp_path):
    features = tfds.features.FeaturesDict({"image": tfds.features.Image()})
    half = np.zeros((8, 12, 3), np.uint8)
    half[:, 6:] = 200
    records = [
        record_of(image=[png(half).getvalue()]),
        record_of(image=[png(half[:4]).getvalue()]),
    ]
    directory = by_hand(tmp_path / "d", features, records)
    (batch,) = tfds_batches(directory, "train", size=(4, 4))
    assert batch.inputs.shape == (2, 4, 4, 3)
    assert (batch.inputs[..., 0, :] == 0).all() and (
        batch.inputs[..., 3, :] == 200
    ).all()

    with pytest.raises(
        ValueError, match=r"record 1 .*one shape; got \(4, 12, 3\) after"
    ):
        list(tfds_batches(directory, "train"))


def test_maps_are_classes_and_stay_classes_when_resized(directory):
    names = ["segmentation", "trimap"]
    (whole,) = tfds_batches(directory, "train", inputs=names, ids="name")
    by_name = {example["name"]: example for example in examples()}
    for name in names:
        expected = np.stack([by_name[id_][name] for id_ in whole.ids])
        np.testing.assert_array_equal(whole.inputs[name][..., 0], expected)
        assert whole.inputs[name].dtype == np.uint8
    (small,) = tfds_batches(directory, "train", inputs=names, size=(4, 3))
    classes = whole.inputs["segmentation"]
    np.testing.assert_array_equal(small.inputs["segmentation"], classes[:, 1::2, 1::2])
    assert small.inputs["trimap"].shape == (NUM_EXAMPLES, 4, 3, 1)
    assert set(np.unique(small.inputs["trimap"])) <= {1, 2, 3}


def test_maps_of_a_builder_without_files_are_classes_too():
    with tfds.testing.mock_data(num_examples=3):
        names = ["image", "segmentation_mask"]
        batches = tfds_batches("oxford_iiit_pet", "train", inputs=names, size=(9, 8))
        (batch,) = batches
    assert batch.inputs["segmentation_mask"].shape == (3, 9, 8, 1)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((4, 4), np.uint8), r"must have shape \(2, 2, 1\); got \(4, 4, 1\)"),
        (np.full((2, 2), 300, np.uint16), "must hold uint8; got 300"),
        (np.eye(2, 6, dtype=np.uint8).reshape(2, 2, 3), "one channel"),
    ],
    ids=["large", "deep", "colored"],
)
def test_a_map_that_is_not_of_its_feature_is_named(tmp_path, pixels, message):
    labels = tfds.features.LabeledImage(labels=3, shape=(2, 2, 1))
    features = tfds.features.FeaturesDict({"map": labels})
    record = record_of(map=[png(pixels).getvalue()])
    directory = by_hand(tmp_path / "d", features, [record])
    with pytest.raises(ValueError, match=rf"(?s)record 0 of .*{message}"):
        list(tfds_batches(directory, "train", inputs="map"))


def test_frames_of_a_gif_are_resized_each(tmp_path):
    frames = [Image.new("RGB", (8, 6), (shade, 0, 0)) for shade in (0, 120, 240)]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    image = tfds.features.Image(shape=(None, None, None, 3))
    features = tfds.features.FeaturesDict({"image": image})
    record = record_of(image=[file.getvalue()])
    directory = by_hand(tmp_path / "d", features, [record])
    (batch,) = tfds_batches(directory, "train", size=(3, 4))
    assert batch.inputs.shape == (1, 3, 3, 4, 3)
    assert batch.inputs[0, :, 0, 0, 0].tolist() == [0, 120, 240]


def test_videos_are_stacks_of_images(tmp_path):
    frames = tfds.features.Sequence(tfds.features.Image(shape=(2, 2, 3)))
    features = tfds.features.FeaturesDict({"frames": frames})
    pixels = np.arange(36, dtype=np.uint8).reshape(3, 2, 2, 3)
    record = record_of(frames=[png(each).getvalue() for each in pixels])
    directory = by_hand(tmp_path / "d", features, [record])
    (batch,) = tfds_batches(directory, "train", inputs="frames")
    np.testing.assert_array_equal(batch.inputs, pixels[None])


def test_stopping_early_leaves_no_threads(directory):
    before = threading.active_count()
    batches = tfds_batches(directory, "train", inputs="image", batch_size=1)
    for _ in batches:
        break
    for thread in threading.enumerate():
        if thread.name.startswith("ThreadPoolExecutor"):
            thread.join(timeout=5)
    assert threading.active_count() <= before


def test_an_error_of_a_transform_names_the_example(directory):
    def fail(image):
        raise RuntimeError("no such color")

    with pytest.raises(
        ValueError, match=r"^`transform` failed for record 0 of .*no such"
    ):
        list(tfds_batches(directory, "train", inputs="image", transform=fail))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "`inputs` must name a feature .* the images are: 'gray', 'image'"),
        ({"inputs": "imag"}, "`inputs` must name a feature .* got 'imag'"),
        (
            {"inputs": "image", "batch_size": 0},
            "`batch_size` must be at least 1; got 0",
        ),
        ({"inputs": "image", "workers": 0}, "`workers` must be at least 1; got 0"),
        ({"inputs": []}, "`inputs` must name at least one feature; got none"),
        ({"size": (0, 4)}, r"`size` must be height and width, .* got \(0, 4\)"),
        ({"inputs": "image", "ids": "no"}, "`ids` must name a feature .* got 'no'"),
    ],
    ids=str,
)
def test_wrong_calls_say_what_is_wrong(directory, settings, message):
    with pytest.raises(ValueError, match=message):
        tfds_batches(directory, "train", **settings)


def test_the_package_offers_it():
    assert ij.concepts.from_tfds is from_tfds
