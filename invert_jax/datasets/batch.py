"""A batch of inputs, as models take them."""

from typing import Any, NamedTuple

from jaxtyping import PyTree


class Batch(NamedTuple):
    """Inputs of a model and what is known of them.

    Attributes:
        inputs: What the model is called with: an array, or a dict, tuple or other tree
            of arrays, each with samples as its first axis.
        ids: What each sample is.
        where: False at padding; [samples, positions...], or such arrays by the names
            or patterns of the layers they are for.
    """

    inputs: PyTree
    ids: Any = None
    where: Any = None
