"""Capture the layers of a flax.nnx module."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flax import nnx
from jaxtyping import Array, PyTree

from invert_jax.activations.capture import Capture, calls, with_output

CALL = "__call__"
CAPTURES = "__captures__"
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
        before = _values_to_keep(copy)
        with _own_calls(copy):
            result, captured = nnx.capture(
                _unlisted(call), nnx.Intermediate, method_outputs=nnx.Intermediate
            )(copy, batch)
        _refuse_updates(copy, before)
        return with_output(dict(_named(captured, model)), result)

    return Capture(state, forward)


@contextmanager
def _own_calls(model: nnx.Module) -> Iterator[None]:
    """Makes an inherited `__call__` a class's own; Flax captures no other."""
    kinds = {type(module) for _, module in nnx.iter_modules(model)}
    heirs = [kind for kind in kinds if CALL not in vars(kind) and hasattr(kind, CALL)]
    for kind in heirs:
        type.__setattr__(kind, CALL, _copy_of(getattr(kind, CALL)))
    try:
        yield
    finally:
        for kind in heirs:
            type.__delattr__(kind, CALL)


def _copy_of(method: Callable) -> Callable:
    # Not functools.wraps: Flax unwraps by `__wrapped__`.
    def own(self: Any, *args: Any, **kwargs: Any) -> Any:
        return method(self, *args, **kwargs)

    return own


def _unlisted(call: Callable | None) -> Callable:
    """`call`, with nothing captured of lists as such."""

    def run(model: nnx.Module, batch: PyTree) -> Any:
        # Whole numbers, the keys of a list, cannot be sorted among the names of
        # captures, which `nnx.remat` would have to do.
        for _, module in nnx.iter_modules(model):
            if isinstance(module, nnx.List):
                delattr(module, CAPTURES)
        return model(batch) if call is None else call(model, batch)

    return run


def _values_to_keep(model: nnx.Module) -> dict[str, Array]:
    """What only training changes: averages over batches and random numbers."""
    return {
        "/".join(map(str, path)): variable.get_value()
        for path, variable in nnx.to_flat_state(nnx.state(model))
        if isinstance(variable, (nnx.BatchStat, nnx.RngState))
    }


def _refuse_updates(model: nnx.Module, before: dict[str, Array]) -> None:
    after = _values_to_keep(model)
    changed = [path for path, value in before.items() if after[path] is not value]
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
