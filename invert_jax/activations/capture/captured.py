"""What capturing a model gives: a pure function that returns every layer's output.

It is a function of the model's arrays and a batch, whatever kind of model it was, and
the model is not touched. `layer_names` says how the layers are named.
"""

from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Array, PyTree


class Capture(NamedTuple):
    """A model as a pure function that returns every layer's output.

    Attributes:
        state: The arrays of the model.
        forward: From `state` and a batch to {layer name: output}, in the order in
            which the layers were run or defined.
        silent: Layers that have parameters and may nevertheless put out nothing.
        cure: What to do about a layer that puts out nothing.
        check: Refuses a model in train mode, given a batch or its shapes, if `forward`
            does not.
        content: The part of `state` that decides the outputs, if it is not all.
    """

    state: PyTree
    forward: Callable[[PyTree, PyTree], dict[str, Array]]
    silent: tuple[str, ...] = ()
    cure: str = ""
    check: Callable[[PyTree], None] | None = None
    content: PyTree = None
