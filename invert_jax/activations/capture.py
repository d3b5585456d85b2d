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

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple

import jax
from jaxtyping import Array, PyTree

OUTPUT = "output"


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


def capture(model: Any, variables: Any = None, call: Any = None) -> Capture:
    """The capture that fits the kind of `model`.

    Flax is looked up, never imported: who holds a Flax module has imported it.

    Args:
        model: A linen module with its `variables` or bound to them, an nnx module, or
            any function of a batch (of `variables` and a batch, if those are given).
        variables: The variables of a linen module, or a function's first argument.
        call: How to call the model, `module(batch)` if not given.
    """
    if call is not None and not callable(call):
        raise TypeError(
            "`call` must be a function of the model and a batch; "
            f"got {type(call).__name__}."
        )
    if _is_instance(model, "flax.linen", "Module"):
        from invert_jax.activations.linen import capture_linen

        return capture_linen(model, variables, call)
    if _is_instance(model, "flax.nnx", "Module"):
        if variables is not None:
            raise ValueError(
                "`variables` must be left out for an nnx module, which holds its own."
            )
        from invert_jax.activations.nnx import capture_nnx

        return capture_nnx(model, call)
    if callable(model) and not isinstance(model, type):
        from invert_jax.activations.function import capture_function

        return capture_function(model, variables, call)
    raise TypeError(
        "`model` must be a flax.linen module, an nnx module or a function of a batch; "
        f"got {_kind(model)}."
    )


def _is_instance(model: Any, module: str, name: str) -> bool:
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(model, getattr(loaded, name))


def _kind(model: Any) -> str:
    if isinstance(model, type):
        return f"the class {model.__name__} (make an instance of it first)"
    return type(model).__name__


def parts(name: str, output: Any, *, mark: str = ".") -> Iterator[tuple[str, Array]]:
    """Name each array of an output that may be a dict, a tuple or an object.

    >>> import jax.numpy as jnp
    >>> dict(parts("block", {"keys": jnp.zeros(2), "rest": (None, jnp.ones(2))})).keys()
    dict_keys(['block.keys', 'block.rest.1'])
    """
    if isinstance(output, Mapping):
        for key, value in output.items():
            yield from parts(f"{name}{mark}{key}", value)
    elif isinstance(output, tuple) and hasattr(output, "_fields"):
        for field in output._fields:
            yield from parts(f"{name}{mark}{field}", getattr(output, field))
    elif isinstance(output, (tuple, list)):
        for index, value in enumerate(output):
            yield from parts(f"{name}{mark}{index}", value)
    elif isinstance(output, jax.Array):
        yield name, output
    else:
        leaves, _ = jax.tree.flatten(output)
        arrays = [leaf for leaf in leaves if isinstance(leaf, jax.Array)]
        for index, value in enumerate(arrays):
            yield f"{name}{mark}{index}", value


def by_name(outputs: Iterable[tuple[str, Array]]) -> dict[str, Array]:
    """Named arrays as a dict, refused if two have one name.

    >>> import jax.numpy as jnp
    >>> list(by_name([("stem", jnp.zeros(2)), ("head", jnp.ones(2))]))
    ['stem', 'head']
    """
    named: dict[str, Array] = {}
    for name, array in outputs:
        if name in named:
            raise ValueError(
                f"`model` must name its layers apart; two outputs are called {name!r}. "
                "Rename one: `.` and a number or key mark the parts of an output, `#` "
                "its calls."
            )
        named[name] = array
    return named


def calls(name: str, outputs: tuple) -> Iterator[tuple[str, Array]]:
    """Name each array of the outputs of all calls of one layer.

    >>> import jax.numpy as jnp
    >>> [name for name, _ in calls("dense", (jnp.zeros(2), jnp.ones(2)))]
    ['dense#0', 'dense#1']
    """
    for index, output in enumerate(outputs):
        yield from parts(name if len(outputs) == 1 else f"{name}#{index}", output)


def with_output(outputs: dict[str, Array], result: Any) -> dict[str, Array]:
    """`outputs` and, last, what the whole model returned.

    It is called `output`, or `__call__` if a layer of the model is called so.
    """
    taken = any(name.split("/")[0].split(".")[0] == OUTPUT for name in outputs)
    name = "__call__" if taken else OUTPUT
    return by_name(chain(outputs.items(), parts(name, result)))
