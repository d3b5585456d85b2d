"""Images of a TFDS data set whose pixels are of another kind than usual."""

import io

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from invert_jax.datasets.tfds.inputs import tfds_batches
from tests.datasets.tfds.prepared_datasets import by_hand, png, record_of

f = tfds.features


@pytest.mark.parametrize(
    ("mode", "channels", "expected"),
    [
        ("L", 3, [[7, 7, 7]]),
        ("P", 3, [[248, 7, 7]]),
        ("CMYK", 3, None),
        ("RGBA", 3, [[7, 8, 9]]),
        ("LA", 1, [[7]]),
        ("RGB", 4, [[7, 8, 9, 255]]),
        ("1", 1, [[255]]),
    ],
)
def test_images_of_other_modes_get_the_channels_of_the_feature(
    tmp_path, mode, channels, expected
):
    values: dict[str, int | tuple[int, ...]] = {
        "L": 7,
        "P": 7,
        "CMYK": (255, 0, 0, 0),
        "RGBA": (7, 8, 9, 255),
        "LA": (7, 255),
        "RGB": (7, 8, 9),
        "1": 1,
    }
    image = Image.new(mode, (2, 1), values[mode])
    if mode == "P":
        image.putpalette([value for i in range(256) for value in (255 - i, i, 7)])
    file = io.BytesIO()
    image.save(file, "JPEG" if mode == "CMYK" else "PNG")
    features = f.FeaturesDict({"image": f.Image(shape=(None, None, channels))})
    record = record_of(image=[file.getvalue()])
    directory = by_hand(tmp_path / "d", features, [record])
    (batch,) = tfds_batches(directory, "train")
    assert batch.inputs.shape == (1, 1, 2, channels)
    assert batch.inputs.dtype == np.uint8
    if expected is not None:
        assert batch.inputs[0, :, 0].tolist() == expected


def test_images_of_16_bits_and_of_floats_keep_their_values(tmp_path):
    features = f.FeaturesDict(
        {
            "deep": f.Image(shape=(None, None, 1), dtype=np.uint16),
            "depth": f.Image(shape=(None, None, 1), dtype=np.float32),
        }
    )
    deep = np.array([[0, 65535], [256, 1]], np.uint16)
    depth = np.array([[0.5, -3e7]], np.float32)
    as_bytes = png(depth.view(np.uint8).reshape(1, 2, 4)).getvalue()
    record = record_of(deep=[png(deep).getvalue()], depth=[as_bytes])
    directory = by_hand(tmp_path / "d", features, [record])
    (batch,) = tfds_batches(directory, "train", inputs=["deep", "depth"])
    np.testing.assert_array_equal(batch.inputs["deep"][0, ..., 0], deep)
    np.testing.assert_array_equal(batch.inputs["depth"][0, ..., 0], depth)


def test_an_image_of_more_bits_than_its_feature_is_refused(tmp_path):
    features = f.FeaturesDict({"image": f.Image(shape=(None, None, 1))})
    deep = png(np.array([[0, 65535]], np.uint16)).getvalue()
    directory = by_hand(tmp_path / "d", features, [record_of(image=[deep])])
    with pytest.raises(ValueError, match=r"record 0 .*must hold uint8; got I"):
        list(tfds_batches(directory, "train"))


def test_no_other_program_reads_an_image(tmp_path, monkeypatch):
    def started(*args, **kwargs):
        raise AssertionError("a program was started")

    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", started)
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
    features = f.FeaturesDict({"image": f.Image(shape=(None, None, 3))})
    directory = by_hand(tmp_path / "d", features, [record_of(image=[eps])])
    with pytest.raises(ValueError, match=r"record 0 .*raster format .*begin with"):
        list(tfds_batches(directory, "train"))


def test_a_huge_image_names_its_record(tmp_path, monkeypatch):
    features = f.FeaturesDict({"image": f.Image(shape=(None, None, 1))})
    file = io.BytesIO()
    Image.new("L", (40, 30)).save(file, "PNG")
    record = record_of(image=[file.getvalue()])
    directory = by_hand(tmp_path / "d", features, [record])
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match=r"record 0 .*at most 100 pixels; got"):
        list(tfds_batches(directory, "train"))
