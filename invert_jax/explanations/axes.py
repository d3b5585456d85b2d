"""What all plots share: colors that color-blind readers tell apart, and axes."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREEN, GRAY, RED = "#0072B2", "#E69F00", "#009E73", "#888888", "#D55E00"
COLORS = (BLUE, RED, GREEN, "#CC79A7", ORANGE, "#56B4E9")
MARKERS = "osD^vP"


def square_root(values):
    """Square root, 0 below 0."""
    return np.sqrt(np.maximum(values, 0))


def axes_of(ax: "Axes | None") -> "Axes":
    """The axes to draw on: those given, or new ones."""
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError(
            "plots need matplotlib: pip install 'invert_jax[report]'."
        ) from error
    return pyplot.subplots(layout="constrained")[1] if ax is None else ax
