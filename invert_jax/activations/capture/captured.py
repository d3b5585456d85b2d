"""Capture what the layers of a model put out, without touching the model.

A capture is a pure function of the model's arrays and a batch that returns the output
of every layer by name, whatever kind of model it was. Names are made of the path of
the layer and, where one path gives several arrays, of marks:

    encoder/dense      what `encoder.dense(...)` returned
    encoder/dense#1    what its second call returned, if it is called more than once
    encoder.keys       the part `keys` of an output that is a dict, or part 0, 1, ...
    encoder@3          the fourth step, if the layer was scanned
    output             what the whole model returned
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
