"""The capture that fits the kind of a model."""

import sys
from typing import Any

from invert_jax.activations.capture.captured import Capture
from invert_jax.activations.capture.function import capture_function


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
        from invert_jax.activations.capture.linen import capture_linen

        return capture_linen(model, variables, call)
    if _is_instance(model, "flax.nnx", "Module"):
        if variables is not None:
            raise ValueError(
                "`variables` must be left out for an nnx module, which holds its own."
            )
        from invert_jax.activations.capture.nnx import capture_nnx

        return capture_nnx(model, call)
    if callable(model) and not isinstance(model, type):
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
