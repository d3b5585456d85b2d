"""Attributes of pictures, on pictures small enough to check by eye."""

import numpy as np
import pytest

from invert_jax.demo import attributes
from invert_jax.demo.attributes import DEFINITIONS, image_attributes

SLASH = np.eye(8, dtype=np.float32)[None, ::-1] * 16
BACKSLASH = np.eye(8, dtype=np.float32)[None] * 16
RING = np.zeros((1, 8, 8), np.float32)
RING[:, 2:6, 2:6] = 16
RING[:, 3:5, 3:5] = 0


def picture(rows=slice(None), columns=slice(None), ink=16.0):
    """A picture with ink in these rows and columns only."""
    images = np.zeros((1, 8, 8), np.float32)
    images[:, rows, columns] = ink
    return images


def names_true_of(images):
    return {name for name, truth in image_attributes(images).items() if truth[0]}


def test_all_attributes_of_a_vertical_bar_at_the_right():
    assert names_true_of(picture(columns=6)) == {
        "light_ink",
        "right_heavy",
        "ink_top_right",
        "ink_bottom_right",
        "empty_center",
        "narrow",
        "long_vertical_stroke",
    }


def test_all_attributes_of_a_bar_across_the_top():
    assert names_true_of(picture(rows=slice(0, 2))) == {
        "light_ink",
        "top_heavy",
        "ink_top_left",
        "ink_top_right",
        "empty_center",
        "wide",
        "long_horizontal_stroke",
        "mirrors_itself",
        "touches_right_edge",
    }


def test_all_attributes_of_a_ring():
    assert names_true_of(RING) == {
        "light_ink",
        "empty_center",
        "narrow",
        "encloses_space",
        "mirrors_itself",
    }


def test_a_slash_leans_right_and_a_backslash_leans_left():
    assert "leans_right" in names_true_of(SLASH)
    assert "leans_left" not in names_true_of(SLASH)
    assert "leans_left" in names_true_of(BACKSLASH)
    assert "leans_right" not in names_true_of(BACKSLASH)


def test_of_a_blank_picture_nothing_is_true_but_an_empty_center():
    assert names_true_of(picture(ink=0.0)) == {"empty_center"}


@pytest.mark.parametrize(
    ("rows", "columns", "name"),
    [
        (slice(0, 4), slice(None), "top_heavy"),
        (slice(4, 8), slice(None), "bottom_heavy"),
        (slice(None), slice(0, 4), "left_heavy"),
        (slice(None), slice(4, 8), "right_heavy"),
        (slice(0, 4), slice(0, 4), "ink_top_left"),
        (slice(0, 4), slice(4, 8), "ink_top_right"),
        (slice(4, 8), slice(0, 4), "ink_bottom_left"),
        (slice(4, 8), slice(4, 8), "ink_bottom_right"),
        (slice(3, 5), slice(3, 5), "dark_center"),
    ],
)
def test_ink_in_one_part_makes_that_parts_attribute_true(rows, columns, name):
    assert name in names_true_of(picture(rows, columns))


def test_full_pages_have_heavy_ink_and_gray_ones_soft_strokes():
    assert "heavy_ink" in names_true_of(picture(ink=16.0))
    assert "soft_strokes" not in names_true_of(picture(ink=16.0))
    assert "soft_strokes" in names_true_of(picture(ink=6.0))


def test_a_hole_open_at_a_side_encloses_nothing_but_one_open_at_a_corner_does():
    open_at_side, open_at_corner = RING.copy(), RING.copy()
    open_at_side[0, 2, 3] = 0
    open_at_corner[0, 2, 2] = 0

    assert "encloses_space" not in names_true_of(open_at_side)
    assert "encloses_space" in names_true_of(open_at_corner)


def test_the_slope_is_that_of_the_weighted_least_squares_line(rng):
    image = rng.integers(17, size=(8, 8)).astype(np.float64)
    row, column = np.mgrid[:8, :8].reshape(2, -1)
    slope, _ = np.polyfit(row, column, 1, w=np.sqrt(image.ravel()))

    assert attributes.columns_per_row(image[None])[0] == pytest.approx(slope)


def test_the_slope_of_a_picture_of_one_row_is_0():
    assert attributes.columns_per_row(picture(rows=3, ink=7.0))[0] == 0


def test_the_correlation_with_the_mirror_image_is_pearsons(rng):
    image = rng.integers(17, size=(8, 8)).astype(np.float64)
    expected = np.corrcoef(image.ravel(), image[:, ::-1].ravel())[0, 1]

    assert attributes.mirror_correlation(image[None])[0] == pytest.approx(expected)


def test_attributes_and_their_definitions_have_the_same_names_in_the_same_order():
    assert list(image_attributes(RING)) == list(DEFINITIONS)


@pytest.mark.parametrize("num_samples", [0, 1, 5])
def test_every_attribute_judges_each_picture_on_its_own(rng, num_samples):
    images = rng.integers(17, size=(num_samples, 8, 8)).astype(np.float32)

    for name, truth in image_attributes(images).items():
        assert truth.shape == (num_samples,)
        assert truth.dtype == bool
        for i in range(num_samples):
            assert image_attributes(images[i : i + 1])[name][0] == truth[i]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("top_heavy", "bottom_heavy"),
        ("ink_top_left", "ink_bottom_left"),
        ("ink_top_right", "ink_bottom_right"),
    ],
)
def test_turning_the_picture_upside_down_swaps_top_and_bottom(rng, one, other):
    images = rng.integers(17, size=(200, 8, 8)).astype(np.float32) ** 2 / 16
    turned = np.flip(images, axis=1)
    np.testing.assert_array_equal(
        image_attributes(images)[one], image_attributes(turned)[other]
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("left_heavy", "right_heavy"),
        ("ink_top_left", "ink_top_right"),
        ("ink_bottom_left", "ink_bottom_right"),
        ("leans_left", "leans_right"),
    ],
)
def test_a_mirror_swaps_left_and_right(rng, one, other):
    images = rng.integers(17, size=(200, 8, 8)).astype(np.float32) ** 2 / 16
    mirrored = np.flip(images, axis=2)
    np.testing.assert_array_equal(
        image_attributes(images)[one], image_attributes(mirrored)[other]
    )
