"""Capture the layers of a flax.linen module."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import flax.linen as nn
import jax
from flax import errors
from jaxtyping import Array, PyTree

from invert_jax.activations.capture.captured import Capture
from invert_jax.activations.capture.layer_names import by_name, calls, with_output

INTERMEDIATES = "intermediates"
CALL = "__call__"
SILENT_CURE = (
    "Layers inside `nn.scan` or `nn.vmap` put out nothing unless that is made with "
    "variable_axes={..., 'intermediates': 0}. Layers whose output has no axis of the "
    "samples alone, as tokens reshaped to [samples * tokens, channels], are none "
    "either: give a function of the batch that returns them in shape."
)
SHAPE = "It must be a dict of collections, such as {'params': params}."
EVAL_CURE = (
    "say how to call it by `call`, such as "
    "call=lambda module, batch: module(batch, train=False)."
)


def capture_linen(
    module: nn.Module, variables: Any = None, call: Callable | None = None
) -> Capture:
    """The capture of a linen module, without random numbers and without updates.

    Args:
        module: A module, or one bound to its variables.
        variables: The variables, unless `module` is bound; collections a run may have
            left in `intermediates` are dropped.
        call: From the bound module and a batch to the model's output.
    """
    if variables is None:
        if module.scope is None:
            raise ValueError(
                "`variables` must be given for a linen module, such as "
                "variables={'params': params, 'batch_stats': batch_stats}."
            )
        module, variables = module.unbind()
    if not isinstance(variables, Mapping):
        raise TypeError(
            "`variables` must be a dict of collections, such as {'params': params}; "
            f"got {type(variables).__name__}."
        )
    state = {name: variables[name] for name in variables if name != INTERMEDIATES}

    def forward(state: PyTree, batch: PyTree) -> dict[str, Array]:
        result, updates = _apply(module, state, batch, call)
        tree = updates.get(INTERMEDIATES, {})
        outputs = by_name(_named(tree, ()))
        return with_output(outputs, result)

    return Capture(state, forward, _with_parameters(state), SILENT_CURE)


def _apply(
    module: nn.Module, state: PyTree, batch: PyTree, call: Callable | None
) -> tuple[Any, Mapping]:
    try:
        return module.apply(
            state,
            batch,
            method=call,
            capture_intermediates=_is_layer,
            mutable=[INTERMEDIATES],
        )
    except errors.InvalidRngError as error:
        raise ValueError(
            "`model` must run without random numbers, but it asks for some, as "
            f"dropout does in training: {EVAL_CURE}"
        ) from error
    except errors.ModifyScopeVariableError as error:
        raise ValueError(
            "`model` must run without updating its variables, but it does update "
            f"some, as batch normalization does in training: {EVAL_CURE}"
        ) from error
    except errors.FlaxError as error:
        error.add_note(f"`variables` holds: {', '.join(state) or 'nothing'}. {SHAPE}")
        raise
    except TypeError as error:
        if call is None and "argument" in str(error):
            error.add_note(f"If the model takes more than a batch, {EVAL_CURE}")
        raise


def _is_layer(module: nn.Module, method: str) -> bool:
    del module
    return method == CALL or not (method.startswith("_") or method == "setup")


def _named(tree: Mapping, path: tuple[str, ...]) -> Iterator[tuple[str, Array]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _named(value, (*path, name))
        elif path or name != CALL:
            whole = "/".join(path if name == CALL else (*path, name))
            yield from calls(whole, value if isinstance(value, tuple) else (value,))


def _with_parameters(state: Mapping) -> tuple[str, ...]:
    """Paths of the modules that own parameters."""
    leaves = jax.tree_util.tree_leaves_with_path(state.get("params", {}))
    paths = [
        jax.tree_util.keystr(path[:-1], simple=True, separator="/")
        for path, _ in leaves
    ]
    return tuple(dict.fromkeys(path for path in paths if path))
