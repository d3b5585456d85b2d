"""What is true of the picture of a digit, whatever digit it is.

Each function of `IMAGE_ATTRIBUTES` is one concept: its name is the concept's name, the
first line of its docstring the definition that the user reads. It takes pictures of
8 x 8 pixels whose values say how much ink there is, from 0 to 16, row 0 at the top and
column 0 at the left, and says for each picture whether the attribute is true.

A pixel is *inked* when its value is at least 8, half of the most. The *share* of a
part is its ink over the ink of the picture; of a blank picture no attribute is true,
but that its center is empty.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

Images = Float[np.ndarray, "samples 8 8"]
Truth = Bool[np.ndarray, " samples"]

UPPER, LOWER = slice(0, 4), slice(4, 8)
LEFT, RIGHT = slice(0, 4), slice(4, 8)
ALL = slice(None)
CENTER = slice(3, 5)


def ink(
    images: Images, rows: slice = ALL, columns: slice = ALL
) -> Float[np.ndarray, " samples"]:
    """Sum of the pixels in some rows and columns.

    >>> ink(np.ones((1, 8, 8)), UPPER).tolist()
    [32.0]
    """
    return images[:, rows, columns].sum(axis=(1, 2))


def share(
    images: Images, rows: slice = ALL, columns: slice = ALL
) -> Float[np.ndarray, " samples"]:
    """Part of the ink that is in some rows and columns; 0 for a blank picture.

    >>> share(np.ones((1, 8, 8)), UPPER, RIGHT).tolist()
    [0.25]
    """
    total = ink(images)
    return ink(images, rows, columns) / np.where(total > 0, total, 1)


def inked(images: Images) -> Bool[np.ndarray, "samples 8 8"]:
    """Whether each pixel has at least half of the most ink, 8 of 16."""
    return images >= 8


def heavy_ink(images: Images) -> Truth:
    """The ink of all pixels adds up to at least 340 of 1,024."""
    return ink(images) >= 340


def light_ink(images: Images) -> Truth:
    """The ink of all pixels adds up to at most 284 of 1,024."""
    total = ink(images)
    return (total > 0) & (total <= 284)


def top_heavy(images: Images) -> Truth:
    """More than 55 % of the ink is in the top half."""
    return share(images, UPPER) > 0.55


def bottom_heavy(images: Images) -> Truth:
    """More than 55 % of the ink is in the bottom half."""
    return share(images, LOWER) > 0.55


def left_heavy(images: Images) -> Truth:
    """More than 55 % of the ink is in the left half."""
    return share(images, ALL, LEFT) > 0.55


def right_heavy(images: Images) -> Truth:
    """More than 55 % of the ink is in the right half."""
    return share(images, ALL, RIGHT) > 0.55


def ink_top_left(images: Images) -> Truth:
    """More than 30 % of the ink is in the top left quarter."""
    return share(images, UPPER, LEFT) > 0.3


def ink_top_right(images: Images) -> Truth:
    """More than 30 % of the ink is in the top right quarter."""
    return share(images, UPPER, RIGHT) > 0.3


def ink_bottom_left(images: Images) -> Truth:
    """More than 30 % of the ink is in the bottom left quarter."""
    return share(images, LOWER, LEFT) > 0.3


def ink_bottom_right(images: Images) -> Truth:
    """More than 30 % of the ink is in the bottom right quarter."""
    return share(images, LOWER, RIGHT) > 0.3


def dark_center(images: Images) -> Truth:
    """The four pixels in the middle have at least 12 of 16 on average."""
    return ink(images, CENTER, CENTER) >= 4 * 12


def empty_center(images: Images) -> Truth:
    """The four pixels in the middle have less than 4 of 16 on average."""
    return ink(images, CENTER, CENTER) < 4 * 4


def wide(images: Images) -> Truth:
    """The inked pixels span at least 6 of the 8 columns."""
    return _num_columns_spanned(images) >= 6


def narrow(images: Images) -> Truth:
    """The inked pixels span at most 4 of the 8 columns."""
    spanned = _num_columns_spanned(images)
    return (0 < spanned) & (spanned <= 4)


def leans_left(images: Images) -> Truth:
    r"""The top leans to the left, as \ does: by more than 1 column in 10 rows."""
    return _columns_per_row(images) > 0.1


def leans_right(images: Images) -> Truth:
    """The top leans to the right, as / does: by more than 1 column in 10 rows."""
    return _columns_per_row(images) < -0.1


def long_horizontal_stroke(images: Images) -> Truth:
    """Some row has 5 inked pixels or more one after the other."""
    return _has_run(inked(images), 5)


def long_vertical_stroke(images: Images) -> Truth:
    """Some column has 7 inked pixels or more one below the other."""
    return _has_run(inked(images).swapaxes(1, 2), 7)


def encloses_space(images: Images) -> Truth:
    """Inked pixels enclose pixels that are not inked, so a hole can be seen."""
    return np.array([_num_holes(picture) for picture in inked(images)], int) >= 1


def mirrors_itself(images: Images) -> Truth:
    """The pixels and those of the mirror image (left for right) correlate by 0.7."""
    return _correlation(images, images[:, :, ::-1]) >= 0.7


def touches_right_edge(images: Images) -> Truth:
    """Some pixel of the last column has a value of at least 2 of 16."""
    return np.any(images[:, :, -1] >= 2, axis=1)


def soft_strokes(images: Images) -> Truth:
    """More than 45 % of the pixels are gray: neither blank nor full of ink."""
    return ((images > 0) & (images < 16)).mean(axis=(1, 2)) > 0.45


IMAGE_ATTRIBUTES: tuple[Callable[[Images], Truth], ...] = (
    heavy_ink,
    light_ink,
    top_heavy,
    bottom_heavy,
    left_heavy,
    right_heavy,
    ink_top_left,
    ink_top_right,
    ink_bottom_left,
    ink_bottom_right,
    dark_center,
    empty_center,
    wide,
    narrow,
    leans_left,
    leans_right,
    long_horizontal_stroke,
    long_vertical_stroke,
    encloses_space,
    mirrors_itself,
    touches_right_edge,
    soft_strokes,
)


def _num_columns_spanned(images: Images) -> np.ndarray:
    """Columns from the first to the last inked one; 0 where no pixel is inked."""
    used = np.any(inked(images), axis=1)
    spanned = used.shape[1] - used.argmax(axis=1) - used[:, ::-1].argmax(axis=1)
    return np.where(np.any(used, axis=1), spanned, 0)


def _columns_per_row(images: Images) -> np.ndarray:
    """Slope of the least-squares line of column on row, each pixel weighed by its ink.

    Columns to the right per row downward; 0 for a picture of less than two rows.
    """
    row, column = np.mgrid[:8, :8].astype(np.float64)
    mean_row, mean_column = (
        (images * place).sum(axis=(1, 2)) / np.where(ink(images) > 0, ink(images), 1)
        for place in (row, column)
    )
    from_mean = row - mean_row[:, None, None]
    spread = (images * from_mean**2).sum(axis=(1, 2))
    drift = (images * from_mean * (column - mean_column[:, None, None])).sum((1, 2))
    return drift / np.where(spread > 0, spread, 1)


def _has_run(pixels: Bool[np.ndarray, "samples 8 8"], length: int) -> Truth:
    """Whether `length` neighbors along the last axis are all true."""
    windows = np.lib.stride_tricks.sliding_window_view(pixels, length, axis=2)
    return np.any(windows.all(axis=-1), axis=(1, 2))


def _num_holes(pixels: Bool[np.ndarray, "8 8"]) -> int:
    """Regions of false pixels, joined by their sides, that do not reach the border."""
    _, num_regions = ndimage.label(~np.pad(pixels, 1))
    return num_regions - 1


def _correlation(left: Images, right: Images) -> np.ndarray:
    """Pearson correlation of the pixels of two pictures; 0 where one is flat."""
    left, right = (x.reshape(len(x), 64) for x in (left, right))
    left, right = (x - x.mean(axis=1, keepdims=True) for x in (left, right))
    scale = np.sqrt((left**2).sum(axis=1) * (right**2).sum(axis=1))
    return (left * right).sum(axis=1) / np.where(scale > 0, scale, 1)
