"""List the layers of a model and choose among them.

A layer counts if its output has the samples as an axis, which is found by tracing the
model, without running it, for two sizes of the batch. Axes before that axis are the
steps of a scan: each step is a layer of its own.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import product
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, PyTree

from invert_jax.activations.capture.captured import Capture
from invert_jax.activations.capture.dispatch import capture
from invert_jax.activations.capture.layer_names import (
    enclosing_paths,
    heard_paths,
    matches,
    step_name,
)
from invert_jax.datasets.batch import Batch


class Layer(NamedTuple):
    """One output of a model that has the samples as an axis.

    Attributes:
        source: Name of the captured array it is taken from.
        step: Index into the axes of that array before the samples.
        shape: Shape of one sample.
        dtype: Type of the numbers.
    """

    source: str
    step: tuple[int, ...]
    shape: tuple[int, ...]
    dtype: np.dtype

    def take(self, outputs: Mapping[str, Array]) -> Array:
        """The layer's output, samples first."""
        return outputs[self.source][self.step]


def layers(
    model: Any, example: Any, *, variables: Any = None, call: Callable | None = None
) -> dict[str, tuple[int, ...]]:
    """The name of each layer of a model and the shape of its output.

    Nothing is computed: the model is only traced.

    Args:
        model: As in `collect`.
        example: One batch.
        variables: As in `collect`.
        call: As in `collect`.

    >>> import jax.numpy as jnp
    >>> layers(lambda x: {"twice": 2 * x, "mean": x.mean(-1)}, jnp.zeros((4, 3)))
    {'twice': (4, 3), 'mean': (4,)}
    """
    inputs = example.inputs if isinstance(example, Batch) else example
    size = _batch_size(inputs)
    found = find_layers(capture(model, variables, call), inputs)
    return {name: (size, *layer.shape) for name, layer in found.items()}


def find_layers(captured: Capture, inputs: PyTree) -> dict[str, Layer]:
    """Every layer, in the order in which the model was run or defined."""
    size = _batch_size(inputs)
    if captured.check is not None:
        captured.check(abstract(inputs, size))
    shapes = _output_shapes(captured, abstract(inputs, size))
    try:
        others = _output_shapes(captured, abstract(inputs, size + 1))
    except Exception:
        # A model written for one size of the batch: the first axis of that length.
        others = {}
    found: dict[str, Layer] = {}
    for name, output in shapes.items():
        other = others[name].shape if name in others else None
        axis = _sample_axis(output.shape, other, size)
        if axis is not None and output.dtype.kind in "biufV":
            found.update(_steps(name, output, axis))
    return found


def select_layers(
    available: Mapping[str, Layer],
    wanted: str | Sequence | None,
    captured: Capture,
) -> dict[str, Layer]:
    """The layers whose names are wanted, in the order of `available`.

    Args:
        available: All layers.
        wanted: Names or patterns (`*`, `?`, `[...]`); None for all. A name without
            marks means every call, part and step of that path.
        captured: Where they come from, for its account of layers that stay silent.
    """
    if wanted is None:
        return dict(available)
    patterns = [wanted] if isinstance(wanted, str) else list(wanted)
    for pattern in patterns:
        if not isinstance(pattern, str):
            raise TypeError(
                f"`layers` must be names or patterns of layers; got {pattern!r}."
            )
        if not any(matches(name, pattern) for name in available):
            raise ValueError(_unknown(pattern, available, captured))
    return {
        name: layer
        for name, layer in available.items()
        if any(matches(name, pattern) for pattern in patterns)
    }


def silent_layers(available: Iterable[str], captured: Capture) -> list[str]:
    """Layers that have parameters and put out nothing, nor does any part of them.

    >>> captured = Capture(None, dict, ("rnn/cell/in", "rnn/cell/out", "dense"))
    >>> silent_layers(["rnn", "dense"], captured)
    ['rnn/cell/in', 'rnn/cell/out']
    """
    heard = heard_paths(available)
    return [silent for silent in captured.silent if silent not in heard]


def silent_parts(available: Iterable[str], captured: Capture) -> list[str]:
    """The outermost modules all of whose layers are silent.

    >>> captured = Capture(None, dict, ("rnn/cell/in", "rnn/cell/out", "dense"))
    >>> silent_parts(["rnn", "dense"], captured)
    ['rnn/cell']
    """
    heard = heard_paths(available)
    outermost = (
        next(path for path in enclosing_paths(silent) if path not in heard)
        for silent in silent_layers(available, captured)
    )
    return list(dict.fromkeys(outermost))


def _unknown(pattern: str, available: Mapping[str, Layer], captured: Capture) -> str:
    message = (
        f"`layers` must name layers of the model; {pattern!r} is none that puts out "
        f"anything for each sample. It has: {', '.join(available)}."
    )
    silent = silent_layers(available, captured)
    if any(
        fnmatchcase(path, pattern) or pattern.startswith(f"{path}/") for path in silent
    ):
        message += f" There are parameters of that name, though. {captured.cure}"
    return message


def abstract(tree: PyTree, size: int) -> PyTree:
    """Shapes and types of a tree of arrays, for another number of samples.

    >>> abstract(np.zeros((3, 2), np.float32), 5)
    ShapeDtypeStruct(shape=(5, 2), dtype=float32)
    """

    def resized(leaf: Any) -> jax.ShapeDtypeStruct:
        shape = (size, *np.shape(leaf)[1:])
        return jax.ShapeDtypeStruct(shape, jax.dtypes.canonicalize_dtype(leaf.dtype))

    return jax.tree.map(resized, tree)


def _batch_size(inputs: PyTree) -> int:
    leaves = jax.tree.leaves(inputs)
    sizes = {np.shape(leaf)[0] if np.ndim(leaf) else -1 for leaf in leaves}
    if len(sizes) != 1 or -1 in sizes:
        raise ValueError(
            "the example must have the samples as the first axis of every array; got "
            f"shapes {[np.shape(leaf) for leaf in leaves]}."
        )
    return sizes.pop()


def _output_shapes(
    captured: Capture, inputs: PyTree
) -> dict[str, jax.ShapeDtypeStruct]:
    names: list[str] = []

    def traced(state: PyTree, inputs: PyTree) -> tuple:
        outputs = captured.forward(state, inputs)
        names.extend(outputs)  # a dict would come back sorted
        return tuple(outputs.values())

    shapes = jax.eval_shape(traced, captured.state, inputs)
    return dict(zip(names, shapes, strict=True))


def _sample_axis(
    shape: tuple[int, ...], other: tuple[int, ...] | None, size: int
) -> int | None:
    """The one axis as long as the batch that grows with it.

    None if there are several, as in the similarities of all samples to all: the numbers
    of a sample are then not its own.

    Args:
        shape: Of an output for a batch of `size`.
        other: Of the output for a larger batch, if the model runs on one.
        size: Number of samples.

    >>> _sample_axis((3, 8, 4), (3, 9, 4), 8), _sample_axis((8, 8), (9, 9), 8)
    (1, None)
    """
    lengths = zip(shape, (None,) * len(shape) if other is None else other, strict=True)
    grown = [axis for axis, (length, more) in enumerate(lengths) if length != more]
    if other is None:
        grown = [axis for axis in grown if shape[axis] == size]
    return grown[0] if len(grown) == 1 and shape[grown[0]] == size else None


def _steps(
    name: str, output: jax.ShapeDtypeStruct, axis: int
) -> Iterator[tuple[str, Layer]]:
    shape = output.shape[axis + 1 :]
    for step in product(*map(range, output.shape[:axis])):
        yield step_name(name, step), Layer(name, step, shape, np.dtype(output.dtype))
