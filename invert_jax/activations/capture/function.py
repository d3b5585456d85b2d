"""Capture what a plain function of a batch returns."""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import chain
from typing import Any

from jaxtyping import Array, PyTree

from invert_jax.activations.capture.captured import Capture
from invert_jax.activations.capture.layer_names import OUTPUT, by_name, parts


def capture_function(
    function: Callable, variables: Any = None, call: Callable | None = None
) -> Capture:
    """The capture of a function; the entries of a dict it returns are the layers.

    Args:
        function: A function of a batch, or of `variables` and a batch.
        variables: The function's first argument, if it is not None.
        call: From the function, `variables` filled in, and a batch to the output.

    >>> import jax.numpy as jnp
    >>> capture_function(lambda x: {"twice": 2 * x}).forward(None, jnp.ones(3))
    {'twice': Array([2., 2., 2.], dtype=float32)}
    """

    def forward(state: PyTree, batch: PyTree) -> dict[str, Array]:
        bound = function if variables is None else partial(function, state)
        result = bound(batch) if call is None else call(bound, batch)
        if not isinstance(result, Mapping):
            return dict(parts(OUTPUT, result))
        named = (parts(str(key), value) for key, value in result.items())
        return by_name(chain.from_iterable(named))

    return Capture(variables, forward)
