import base64
import gc
import io
import warnings

import numpy as np
import pytest
from PIL import Image

from invert_jax.reports.html.pictures import (
    SIDE,
    ImageReader,
    as_image,
    data_url,
    select_pictures,
)


def opened(url):
    return Image.open(io.BytesIO(base64.b64decode(url.split(",")[1])))


def reader(images, ids=None):
    count = 3 if callable(images) or isinstance(images, dict) else len(images)
    return ImageReader(images, num_samples=count, ids=ids)


def test_small_images_are_kept_to_the_pixel(rng):
    pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    url = data_url(as_image(pixels))
    assert url.startswith("data:image/png")
    np.testing.assert_array_equal(np.asarray(opened(url)), pixels)


def test_large_images_are_made_small(rng):
    pixels = rng.integers(0, 256, (300, 600, 3), dtype=np.uint8)
    image = opened(data_url(as_image(pixels)))
    assert image.size == (SIDE, SIDE // 2)


def test_floats_are_stretched_over_the_range_of_the_array():
    images = np.array([[[0.0, 8.0]], [[16.0, 4.0]]])
    assert np.asarray(reader(images).read(0)).tolist() == [[0, 128]]
    assert np.asarray(reader(images).read(1)).tolist() == [[255, 64]]


def test_floats_between_0_and_1_are_taken_as_they_are():
    assert np.asarray(reader(np.array([[[0.2, 0.4]]])).read(0)).tolist() == [[51, 102]]


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "CMYK"])
def test_images_of_any_mode_become_gray_or_color(mode):
    assert as_image(Image.new(mode, (4, 4))).mode in ("L", "RGB")


def test_paths_bytes_and_booleans_are_read(tmp_path):
    Image.new("L", (3, 2), 7).save(tmp_path / "a.png")
    for source in (tmp_path / "a.png", str(tmp_path / "a.png")):
        assert as_image(source).size == (3, 2)
    assert as_image((tmp_path / "a.png").read_bytes()).getpixel((0, 0)) == 7
    assert np.asarray(as_image(np.array([[True, False]]))).tolist() == [[255, 0]]


@pytest.mark.parametrize("name", ["a.gif", "a.tif"])
def test_files_of_several_frames_are_closed(name, tmp_path):
    frames = [Image.new("L", (9, 9), value) for value in (1, 2)]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert as_image(tmp_path / name).size == (9, 9)
        gc.collect()
    assert not [each for each in caught if each.category is ResourceWarning]


def test_a_dict_and_a_function_are_asked_by_id():
    asked = []

    def image_of(name):
        asked.append(name)
        return np.zeros((2, 2), np.uint8)

    reader(image_of, ids=np.array(["x", "y", "z"])).read(1)
    reader({"y": np.zeros((2, 2))}, ids=np.array(["x", "y", "z"])).read(1)
    reader(image_of).read(2)
    assert asked == ["y", 2]


def test_a_missing_image_is_named():
    with pytest.raises(
        ValueError, match="for the sample 'z'; there are 1, such as 'y'"
    ):
        reader({"y": 0}, ids=np.array(["x", "y", "z"])).read(2)
    with pytest.raises(ValueError, match="sample 0: FileNotFoundError"):
        reader(["no/such.png"]).read(0)
    with pytest.raises(ValueError, match=r"got shape \(2, 2, 5\)"):
        reader([np.zeros((2, 2, 5))]).read(0)


def test_images_of_other_samples_are_refused():
    with pytest.raises(ValueError, match=r"one image per sample, 3, .* got 2"):
        ImageReader(np.zeros((2, 4, 4)), num_samples=3, ids=None)
    with pytest.raises(TypeError, match="got bytes"):
        ImageReader(b"png", num_samples=3, ids=None)


def test_a_folder_has_the_files_that_ids_name(tmp_path):
    Image.new("RGB", (3, 2), (9, 8, 7)).save(tmp_path / "b.png")
    ids = np.array(["a.png", "b.png"])
    images = ImageReader(tmp_path, num_samples=2, ids=ids)
    assert images.read(1).getpixel((0, 0)) == (9, 8, 7)
    with pytest.raises(ValueError, match=r"sample 'a\.png': FileNotFoundError"):
        images.read(0)
    with pytest.raises(ValueError, match="these have none"):
        ImageReader(tmp_path, num_samples=2, ids=None)
    with pytest.raises(FileNotFoundError, match="a folder that is there"):
        ImageReader(str(tmp_path / "no"), num_samples=2, ids=ids)


def test_each_image_is_kept_once_and_the_budget_holds(rng):
    images = rng.integers(0, 256, (10, 8, 8), dtype=np.uint8)
    size = max(len(data_url(as_image(each))) for each in images)
    found = select_pictures(
        reader(images), [4, 4, 2, 4, *range(10)], budget=3 * size + 1
    )
    assert found.samples[:2] == (4, 2)
    assert len(found.samples) == len(set(found.samples)) == 3
    assert found.num_left_out == 7
    assert found.num_bytes <= 3 * size + 1
    assert found.is_pixelated


def test_no_budget_keeps_no_image():
    found = select_pictures(reader(np.zeros((2, 4, 4))), [0, 1], budget=0)
    assert (found.samples, found.num_left_out, found.is_pixelated) == ((), 2, False)


def test_pictures_are_turned_as_the_camera_was_held(tmp_path):
    image = Image.new("L", (4, 2))
    image.putpixel((0, 0), 255)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned a quarter to the left
    image.save(tmp_path / "a.png", exif=exif)
    turned = as_image(tmp_path / "a.png")
    assert turned.size == (2, 4) and turned.getpixel((1, 0)) == 255


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.int32, np.float32])
def test_images_of_more_than_8_bits_are_stretched_over_their_range(dtype, tmp_path):
    ramp = (np.arange(64).reshape(8, 8) * 60).astype(dtype)  # 12 bits
    sources = [ramp, Image.fromarray(ramp)] if dtype != np.int16 else [ramp]
    if dtype == np.uint16:
        Image.fromarray(ramp).save(tmp_path / "a.png")
        sources.append(tmp_path / "a.png")
    for source in sources:
        pixels = np.asarray(as_image(source))
        assert len(np.unique(pixels)) == 64
        assert (pixels.min(), pixels.max()) == (0, 255)


def test_an_array_of_16_bit_images_has_one_range():
    images = np.array([[[0, 51]], [[255, 102]]], np.uint16)
    assert np.asarray(reader(images * 2).read(0)).tolist() == [[0, 51]]


def test_large_integers_that_are_bytes_stay_bytes():
    assert np.asarray(as_image(np.array([[0, 7]]))).tolist() == [[0, 7]]
    assert np.asarray(as_image(np.array([[0, 510]]))).tolist() == [[0, 255]]


def test_what_is_transparent_lies_on_white():
    clear = Image.new("RGBA", (1, 1), (0, 0, 0, 0))
    assert as_image(clear).getpixel((0, 0)) == (255, 255, 255)
    assert as_image(np.zeros((1, 1, 4), np.uint8)).getpixel((0, 0)) == (255,) * 3
    for mode in ("LA", "La"):
        assert as_image(Image.new(mode, (1, 1), (0, 0))).getpixel((0, 0)) == 255
    indexed = Image.new("P", (1, 1), 0)
    indexed.info["transparency"] = 0
    assert as_image(indexed).getpixel((0, 0)) == (255, 255, 255)
    half = as_image(Image.new("RGBA", (1, 1), (0, 0, 0, 128)))
    assert half.getpixel((0, 0)) == (127, 127, 127)


def test_no_other_program_reads_an_image(monkeypatch):
    def started(*args, **kwargs):
        raise AssertionError("a program was started")

    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", started)
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
    with pytest.raises(ValueError, match=r"sample 0: .*raster format .*begin with"):
        reader([eps]).read(0)


def test_a_file_outside_the_folder_is_refused(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    Image.new("L", (2, 2)).save(tmp_path / "secret.png")
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    names = ["../secret.png", str(tmp_path / "secret.png"), "link.png", "."]
    images = ImageReader(folder, num_samples=4, ids=np.array(names))
    for sample in range(3):
        with pytest.raises(ValueError, match="must lie in the folder"):
            images.read(sample)
    with pytest.raises(ValueError, match=r"sample '\.': .* must be a file"):
        images.read(3)


def test_a_folder_that_is_a_link_is_a_folder(tmp_path):
    (tmp_path / "real").mkdir()
    Image.new("L", (2, 2)).save(tmp_path / "real" / "a.png")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    images = ImageReader(tmp_path / "link", num_samples=1, ids=np.array(["a.png"]))
    assert images.read(0).size == (2, 2)


def test_whatever_a_function_raises_names_the_sample():
    def image_of(key):
        raise LookupError("gone") if key else KeyError("archive")

    for sample, reason in ((0, "KeyError: 'archive'"), (1, "LookupError: gone")):
        with pytest.raises(ValueError, match=f"sample {sample}: {reason}"):
            reader(image_of).read(sample)


def test_empty_and_huge_images_name_the_sample(monkeypatch):
    for shape in ((0, 5), (5, 0), (0, 0, 3)):
        with pytest.raises(ValueError, match=r"sample 0: .*must have pixels"):
            reader([np.zeros(shape, np.uint8)]).read(0)
    file = io.BytesIO()
    Image.new("L", (40, 30)).save(file, "PNG")
    for most in (1000, 100):  # Pillow warns of the first and refuses the second
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", most)
        with (
            pytest.raises(ValueError, match=f"sample 0: .*at most {most:,} pixels"),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            reader([file.getvalue()]).read(0)
