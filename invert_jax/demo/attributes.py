"""What is true of the picture of a digit, whatever digit it is.

Pictures have 8 x 8 pixels whose values say how much ink there is, from 0 to 16, row 0
at the top and column 0 at the left. A pixel is *inked* when its value is at least 8,
half of the most. Of a blank picture no attribute is true but that its center is empty.
"""

from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

Images: TypeAlias = Float[np.ndarray, "samples 8 8"]
Truth: TypeAlias = Bool[np.ndarray, " samples"]

DEFINITIONS = {
    "heavy_ink": "The ink of all pixels adds up to at least 340 of 1,024.",
    "light_ink": "The ink of all pixels adds up to at most 284 of 1,024.",
    "top_heavy": "More than 55 % of the ink is in the top half.",
    "bottom_heavy": "More than 55 % of the ink is in the bottom half.",
    "left_heavy": "More than 55 % of the ink is in the left half.",
    "right_heavy": "More than 55 % of the ink is in the right half.",
    "ink_top_left": "More than 30 % of the ink is in the top left quarter.",
    "ink_top_right": "More than 30 % of the ink is in the top right quarter.",
    "ink_bottom_left": "More than 30 % of the ink is in the bottom left quarter.",
    "ink_bottom_right": "More than 30 % of the ink is in the bottom right quarter.",
    "dark_center": "The four pixels in the middle have at least 12 of 16 on average.",
    "empty_center": "The four pixels in the middle have less than 4 of 16 on average.",
    "wide": "The inked pixels span at least 6 of the 8 columns.",
    "narrow": "The inked pixels span at most 4 of the 8 columns.",
    "leans_left": r"The top leans left, as \ does, by more than 1 column in 10 rows.",
    "leans_right": "The top leans right, as / does, by more than 1 column in 10 rows.",
    "long_horizontal_stroke": "Some row has at least 5 inked pixels without a gap.",
    "long_vertical_stroke": "Some column has at least 7 inked pixels without a gap.",
    "encloses_space": "Inked pixels enclose others, so that a hole can be seen.",
    "mirrors_itself": "The picture and its mirror image correlate by at least 0.7.",
    "touches_right_edge": "Some pixel of the last column has at least 2 of 16.",
    "soft_strokes": "More than 45 % of the pixels are neither blank nor full of ink.",
}


def image_attributes(images: Images) -> dict[str, Truth]:
    """The pictures of which each of `DEFINITIONS` is true, by name, in its order.

    >>> image_attributes(np.full((1, 8, 8), 16.0))["heavy_ink"].tolist()
    [True]
    """
    inked, total = images >= 8, ink(images)
    center, whole = ink(images[:, 3:5, 3:5]), np.where(total > 0, total, 1)
    num_columns, slope = num_columns_spanned(inked), columns_per_row(images)
    return {
        "heavy_ink": total >= 340,
        "light_ink": (total > 0) & (total <= 284),
        "top_heavy": ink(images[:, :4]) / whole > 0.55,
        "bottom_heavy": ink(images[:, 4:]) / whole > 0.55,
        "left_heavy": ink(images[:, :, :4]) / whole > 0.55,
        "right_heavy": ink(images[:, :, 4:]) / whole > 0.55,
        "ink_top_left": ink(images[:, :4, :4]) / whole > 0.3,
        "ink_top_right": ink(images[:, :4, 4:]) / whole > 0.3,
        "ink_bottom_left": ink(images[:, 4:, :4]) / whole > 0.3,
        "ink_bottom_right": ink(images[:, 4:, 4:]) / whole > 0.3,
        "dark_center": center >= 4 * 12,
        "empty_center": center < 4 * 4,
        "wide": num_columns >= 6,
        "narrow": (0 < num_columns) & (num_columns <= 4),
        "leans_left": slope > 0.1,
        "leans_right": slope < -0.1,
        "long_horizontal_stroke": has_run(inked, 5),
        "long_vertical_stroke": has_run(inked.swapaxes(1, 2), 7),
        "encloses_space": has_hole(inked),
        "mirrors_itself": mirror_correlation(images) >= 0.7,
        "touches_right_edge": np.any(images[:, :, -1] >= 2, axis=1),
        "soft_strokes": ((images > 0) & (images < 16)).mean(axis=(1, 2)) > 0.45,
    }


def ink(pixels: Float[np.ndarray, "samples rows columns"]) -> np.ndarray:
    """Sum of the pixels of each picture, or of a part of it."""
    return pixels.sum(axis=(1, 2))


def num_columns_spanned(inked: Bool[np.ndarray, "samples 8 8"]) -> np.ndarray:
    """Columns from the first to the last inked one; 0 where no pixel is inked."""
    used = np.any(inked, axis=1)
    spanned = used.shape[1] - used.argmax(axis=1) - used[:, ::-1].argmax(axis=1)
    return np.where(np.any(used, axis=1), spanned, 0)


def columns_per_row(images: Images) -> np.ndarray:
    """Slope of the least-squares line of column on row, each pixel weighed by its ink.

    Columns to the right per row downward; 0 for a picture of less than two rows.
    """
    row, column = np.mgrid[:8, :8].astype(np.float64)
    mean_row = ink(images * row) / np.where(ink(images) > 0, ink(images), 1)
    weighted = images * (row - mean_row[:, None, None])
    spread = ink(weighted * row)
    return ink(weighted * column) / np.where(spread > 0, spread, 1)


def has_run(inked: Bool[np.ndarray, "samples 8 8"], length: int) -> Truth:
    """Whether `length` neighbors along the last axis are all inked."""
    windows = np.lib.stride_tricks.sliding_window_view(inked, length, axis=2)
    return np.any(windows.all(axis=-1), axis=(1, 2))


def has_hole(inked: Bool[np.ndarray, "samples 8 8"]) -> Truth:
    """Whether pixels that are not inked, joined by their sides, reach no border."""
    filled = [ndimage.binary_fill_holes(picture) for picture in inked]
    return np.any(np.reshape(filled, inked.shape) != inked, axis=(1, 2))


def mirror_correlation(images: Images) -> np.ndarray:
    """Pearson correlation of the pixels with those of the mirror image; 0 if flat."""
    from_mean = images - images.mean(axis=(1, 2), keepdims=True)
    shared = (from_mean * from_mean[:, :, ::-1]).sum(axis=(1, 2))
    spread = (from_mean**2).sum(axis=(1, 2))
    return shared / np.where(spread > 0, spread, 1)
