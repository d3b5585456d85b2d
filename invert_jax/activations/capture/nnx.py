"""Capture the layers of a flax.nnx module."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax
from flax import nnx
from jax.extend.core import Jaxpr
from jax.interpreters.partial_eval import dce_jaxpr
from jaxtyping import Array, PyTree

from invert_jax.activations.capture.captured import Capture
from invert_jax.activations.capture.layer_names import by_name, calls, with_output

CALL = "__call__"
CAPTURES = "__captures__"
# What a model may keep of the batches that it has seen, running averages above all.
STATISTICS = nnx.All(
    nnx.Not(nnx.Param), nnx.Not(nnx.RngState), nnx.Not(nnx.Intermediate)
)
SCAN_CURE = (
    "Flax cannot capture inside a scan that carries the module along. Give a function "
    "of the batch that returns the layers you want instead of the module."
)
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
    graph, *state = nnx.split(model, nnx.RngState, STATISTICS, ...)

    def run(state: PyTree, batch: PyTree) -> tuple[dict[str, Array], PyTree]:
        copy = nnx.merge(graph, *state)
        copy.eval()
        with _own_calls(copy):
            result, captured = nnx.capture(
                _sparing(call), nnx.Intermediate, method_outputs=nnx.Intermediate
            )(copy, batch)
        outputs = with_output(by_name(_named(captured, model)), result)
        return outputs, nnx.state(copy, STATISTICS)

    def check(batch: PyTree) -> None:
        random, averages, _ = state
        program = jax.make_jaxpr(run)(state, batch).jaxpr
        refuse_training(program, _paths(random), _paths(averages))

    return Capture(
        tuple(state),
        lambda state, batch: run(state, batch)[0],
        check=check,
        content=tuple(state[1:]),
    )


def refuse_training(
    program: Jaxpr, random: Sequence[str], averages: Sequence[str]
) -> None:
    """Refuses a program that needs random numbers, or changes averages.

    What is drawn but not used does no harm, nor does an average that is copied.

    Args:
        program: The first inputs are the random numbers' state and the averages, the
            last outputs are the averages afterwards.
        random: Names of the former.
        averages: Names of the latter.
    """
    first = len(program.outvars) - len(averages)
    needed = _needed(program, range(first))
    changed = [name for name, need in zip(random, needed, strict=False) if need]
    inputs = range(len(random), len(random) + len(averages))
    for index, (name, own) in enumerate(zip(averages, inputs, strict=True)):
        if program.outvars[first + index] is not program.invars[own]:
            needed = _needed(program, [first + index])
            if any(need for place, need in enumerate(needed) if place != own):
                changed.append(name)
                break
    if changed:
        raise ValueError(
            "`model` must run without random numbers and without updating its "
            f"variables, but it needs or changes {changed[0]} though it was set to "
            f"eval(): {EVAL_CURE}"
        )


def _needed(program: Jaxpr, outputs: Iterable[int]) -> list[bool]:
    """Which inputs some of the outputs depend on."""
    wanted = set(outputs)
    used = [index in wanted for index in range(len(program.outvars))]
    return dce_jaxpr(program, used)[1]


def _paths(tree: PyTree) -> list[str]:
    return [
        jax.tree_util.keystr(path, simple=True, separator="/").removesuffix("/value")
        for path, _ in jax.tree_util.tree_leaves_with_path(tree)
    ]


@contextmanager
def _own_calls(model: nnx.Module) -> Iterator[None]:
    """Makes an inherited `__call__` a class's own; Flax captures no other."""
    kinds = {type(module) for _, module in nnx.iter_modules(model)}
    heirs = {
        kind: next(vars(base)[CALL] for base in kind.__mro__ if CALL in vars(base))
        for kind in kinds
        if CALL not in vars(kind) and any(CALL in vars(base) for base in kind.__mro__)
    }
    for kind, method in heirs.items():
        setattr(kind, CALL, _copy_of(method))
    try:
        yield
    except TypeError as error:
        if CAPTURES in str(error):
            error.add_note(SCAN_CURE)
        raise
    finally:
        for kind in heirs:
            delattr(kind, CALL)


def _copy_of(method: Callable) -> Callable:
    # Not functools.wraps: Flax unwraps by `__wrapped__`.
    def own(self: Any, *args: Any, **kwargs: Any) -> Any:
        return method(self, *args, **kwargs)

    return own


def _sparing(call: Callable | None) -> Callable:
    """`call`, with nothing captured where that would break the model."""

    def run(model: nnx.Module, batch: PyTree) -> Any:
        for _, module in nnx.iter_modules(model):
            if isinstance(module, nnx.List) and hasattr(module, CAPTURES):
                # Whole numbers, the keys of a list, cannot be sorted among the names
                # of captures, which `nnx.remat` would have to do. From flax 0.12.11 on
                # lists have no captures.
                delattr(module, CAPTURES)
            if isinstance(module, nnx.RNN):
                # It scans with its cell as the carry, which must not grow.
                for _, part in nnx.iter_modules(module.cell):
                    setattr(part, CAPTURES, nnx.data(()))
        return model(batch) if call is None else call(model, batch)

    return run


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
