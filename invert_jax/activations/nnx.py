"""Capture the layers of a flax.nnx module."""

import sys
from collections.abc import Callable, Iterator
from typing import Any

import jax
from flax import nnx
from jaxtyping import Array, PyTree

from invert_jax.activations.capture import Capture, calls, with_output

CALL = "__call__"
EVAL_CURE = (
    "say how to call it by `call`, such as "
    "call=lambda module, batch: module(batch, train=False)."
)


def capture_nnx(model: nnx.Module, call: Callable | None = None) -> Capture:
    """The capture of an nnx module, run as a copy in evaluation mode.

    Args:
        model: The module; it is neither changed nor set to evaluation mode itself.
        call: From a copy of the module and a batch to the model's output.
    """
    graph, state = nnx.split(model)

    def forward(state: PyTree, batch: PyTree) -> dict[str, Array]:
        copy = nnx.merge(graph, state)
        copy.eval()
        before = jax.tree.leaves(nnx.state(copy))
        result, captured = nnx.capture(
            call or _call, nnx.Intermediate, method_outputs=nnx.Intermediate
        )(copy, batch)
        _refuse_updates(copy, before)
        return with_output(dict(_named(captured, model)), result)

    return Capture(state, forward)


def _call(model: Any, batch: PyTree) -> Any:
    return model(batch)


def _refuse_updates(model: nnx.Module, before: list[Array]) -> None:
    after = nnx.to_flat_state(nnx.state(model))
    changed = [
        "/".join(map(str, path))
        for (path, variable), old in zip(after, before, strict=True)
        if variable.get_value() is not old
        and isinstance(variable, (nnx.BatchStat, nnx.RngState))
    ]
    if changed:
        raise ValueError(
            "`model` must run without random numbers and without updating its "
            f"variables, but it changes {changed[0]} though it was set to eval(): "
            f"{EVAL_CURE}"
        )


def _named(captured: PyTree, model: nnx.Module) -> Iterator[tuple[str, Array]]:
    layers = nnx.to_flat_state(captured)
    for path, variable in sorted(layers, key=lambda layer: _place(model, layer[0])):
        if path != (CALL,):
            whole = "/".join(map(str, path[:-1] if path[-1] == CALL else path))
            value = variable.get_value()
            yield from calls(whole, value if isinstance(value, tuple) else (value,))


def _place(model: nnx.Module, path: tuple) -> tuple[int, ...]:
    """Sorts layers as the attributes were set, children before their parent."""
    node: Any = model
    place = []
    for name in map(str, path[:-1]):
        attributes = vars(node) if hasattr(node, "__dict__") else {}
        place.append(list(attributes).index(name) if name in attributes else 0)
        node = attributes.get(name)
    return (*place, sys.maxsize)
