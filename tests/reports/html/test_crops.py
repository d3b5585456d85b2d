"""What lies under a heat map: by hand, and refused where it is not known."""

import numpy as np
import pytest
from PIL import Image

from invert_jax.reports.html.crops import View, checked_crop

# A photo of 80 x 40, its middle square white.
PHOTO = np.zeros((40, 80), np.uint8)
PHOTO[:, 20:60] = 255


def seen(crop, rows=4, columns=4, photo=PHOTO):
    image = View(rows, columns, crop).of(Image.fromarray(photo), is_file=True)
    return np.asarray(image)


def test_the_center_is_the_largest_part_of_the_shape_of_the_maps():
    assert seen("center").shape == (40, 40) and (seen("center") == 255).all()
    assert seen("center", rows=2, columns=4).tolist() == PHOTO.tolist()
    assert seen("center", rows=4, columns=1).shape == (40, 10)


def test_a_share_is_taken_of_the_center():
    assert seen(0.5).shape == (20, 20) and (seen(0.5) == 255).all()
    np.testing.assert_array_equal(seen(1.0), seen("center"))


def test_stretching_keeps_the_whole_photo():
    stretched = seen("stretch")
    assert stretched.shape == (80, 80)
    assert (stretched[:, [0, 79]] == 0).all() and (stretched[:, 40] == 255).all()
    assert seen("stretch", rows=1, columns=2).shape == (40, 80)


def test_arrays_of_the_shape_of_the_maps_stay_as_they_are():
    image = Image.fromarray(PHOTO)
    assert View(2, 4, None).of(image, is_file=False) is image
    with pytest.raises(ValueError, match=r"4 x 4 must be of .* got 40 x 80 pixels"):
        View(4, 4, None).of(image, is_file=False)


def test_photos_in_files_need_a_crop_even_if_they_have_the_shape():
    with pytest.raises(ValueError, match=r'need `crop`. `crop` says .* "center"'):
        View(2, 4, None).of(Image.fromarray(PHOTO), is_file=True)


@pytest.mark.parametrize("crop", ["middle", 0, 1.5, -1, True, float("nan"), [0.5]])
def test_a_crop_is_one_of_few_words_or_a_share(crop):
    with pytest.raises(ValueError, match=r"`crop` must be .* got"):
        checked_crop(crop)
