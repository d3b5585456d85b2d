"""Pooling: one number per neuron from the output of a layer.

Every pool takes the output [samples, positions..., channels] of a layer and `where`
[samples, positions...], False at padding, or None. A layer without positions, [samples,
channels], has one number per neuron already and is left as it is; [samples] is one
neuron. Undefined values, of samples that are all padding, are nan.
"""

import inspect
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Shaped

from invert_jax.sample_ids import position_names

Pool = str | int | Callable
Values = Shaped[Array, "samples ..."]
Pooled = Shaped[Array, "samples neurons"]
Where = Bool[Array, "samples ..."] | None


def mean_pool(values: Values, where: Where = None) -> Pooled:
    """Mean over the positions, in float32 at least.

    >>> values = jnp.arange(6.0).reshape(1, 3, 2)
    >>> mean_pool(values, jnp.array([[True, True, False]])).tolist()
    [[1.0, 2.0]]
    """
    wide = values.astype(jnp.promote_types(values.dtype, jnp.float32))
    return jnp.mean(wide, _position_axes(values), where=_of_channels(where))


def max_pool(values: Values, where: Where = None) -> Pooled:
    """Maximum over the positions.

    >>> values = jnp.arange(6.0).reshape(1, 3, 2)
    >>> max_pool(values, jnp.array([[True, True, False]])).tolist()
    [[2.0, 3.0]]
    """
    axes = _position_axes(values)
    if where is None:
        return jnp.max(values, axes)
    wide = _as_float(values)
    best = jnp.max(wide, axes, where=_of_channels(where), initial=-jnp.inf)
    return jnp.where(where.any(_position_axes(values))[:, None], best, jnp.nan)


def token_pool(values: Values, index: int, where: Where = None) -> Pooled:
    """One position, counted from the end if negative; padding is not counted.

    Undefined for samples that do not have the position.

    >>> values = jnp.arange(6.0).reshape(1, 3, 2)
    >>> where = jnp.array([[False, True, True]])
    >>> token_pool(values, -1).tolist(), token_pool(values, 0, where).tolist()
    ([[4.0, 5.0]], [[2.0, 3.0]])
    """
    if values.ndim != 3 or not -values.shape[1] <= index < values.shape[1]:
        raise ValueError(
            f"`pool` takes position {index}, which needs a layer of shape [samples, "
            f"positions, channels] with that position; got shape {values.shape}. Give "
            "a dict of pools by layer, or a function."
        )
    if where is None:
        return values[:, index]
    counted = where.cumsum(axis=1) - 1
    wanted = index if index >= 0 else counted[:, -1:] + 1 + index
    is_wanted = where & (counted == wanted)
    place = jnp.argmax(is_wanted, axis=1)[:, None, None]
    token = _as_float(jnp.take_along_axis(values, place, axis=1)[:, 0])
    return jnp.where(is_wanted.any(axis=1)[:, None], token, jnp.nan)


def flatten_pool(values: Values, where: Where = None) -> Pooled:
    """Every channel at every position as a neuron of its own; undefined at padding.

    >>> flatten_pool(jnp.zeros((5, 3, 2))).shape
    (5, 6)
    """
    if where is not None:
        values = jnp.where(where[..., None], _as_float(values), jnp.nan)
    return values.reshape(values.shape[0], -1)


def pool_values(values: Values, where: Where, pool: Pool) -> Pooled:
    """The numbers of each neuron; for `positions`, all values and no pooling yet.

    Args:
        values: Output of a layer.
        where: False at padding; fitted to the positions of `values`.
        pool: `mean`, `max`, `cls` (the first position), `last`, `flatten`, the number
            of a position, or a function of `values`, and `where=` if there is one.
            Positions are counted without padding.
    """
    if callable(pool):
        return _by_function(values, where, pool)
    if values.ndim <= 2:
        return values.reshape(values.shape[0], -1)
    pool = {"cls": 0, "last": -1}.get(pool, pool) if isinstance(pool, str) else pool
    if isinstance(pool, int):
        return token_pool(values, pool, where)
    by_name = {"mean": mean_pool, "max": max_pool, "flatten": flatten_pool}
    return by_name[pool](values, where)


def _by_function(values: Values, where: Where, pool: Callable) -> Pooled:
    if where is not None and not _takes_where(pool):
        raise ValueError(
            "`pool` must be a function that takes `where=` too, since there is a mask; "
            "it is False at padding."
        )
    numbers = jnp.asarray(pool(values) if where is None else pool(values, where=where))
    if numbers.ndim != 2 or numbers.shape[0] != values.shape[0]:
        raise ValueError(
            "`pool` must return [samples, neurons]; got shape "
            f"{numbers.shape} from values of shape {values.shape}."
        )
    return numbers


def _takes_where(pool: Callable) -> bool:
    try:
        signature = inspect.signature(pool)
    except (TypeError, ValueError):  # some functions written in C tell nothing
        return True
    try:
        signature.bind(None, where=None)
    except TypeError:
        return False
    return True


def checked_pool(pool: Any) -> Pool:
    """`pool`, refused unless it is one."""
    names = ("mean", "max", "cls", "last", "flatten", "positions")
    if isinstance(pool, (int, np.integer)) and not isinstance(pool, bool):
        return int(pool)
    if not (pool in names if isinstance(pool, str) else callable(pool)):
        raise ValueError(
            f"`pool` must be one of {', '.join(names)}, the number of a position, a "
            f"function, or a dict of these by layer; got {pool!r}."
        )
    return pool


def fitted_where(
    where: Shaped[Array, "..."],
    shape: tuple[int, ...],
    layer: str,
    *,
    is_own: bool = False,
) -> Where:
    """`where` with the samples and positions of a layer of the given shape.

    Args:
        where: [samples, positions...]; the last axes of positions may be missing.
        shape: Of the output of the layer.
        layer: Its name.
        is_own: Whether the mask was given for this layer by name. If not, lengths that
            are equal by chance must not decide what its axes are.

    >>> fitted_where(jnp.array([[1, 1, 0]]), (1, 3, 8), "encoder").tolist()
    [[True, True, False]]
    """
    if jnp.issubdtype(where.dtype, jnp.inexact):
        raise TypeError(f"`where` must be bool; got dtype {where.dtype}.")
    if not is_own and _fits_twice(where.shape, shape):
        raise ValueError(
            f"`where` of shape {where.shape} must fit one axis of the layer {layer!r} "
            f"alone; its output has shape {shape}, so that it could be either. Give a "
            "dict of layers to say which layers have those positions: where={'"
            f"{layer}': ...}}, with all axes of its positions."
        )
    if len(shape) <= 2:
        return None
    if where.ndim < 2 or where.shape != shape[:-1][: where.ndim]:
        raise ValueError(
            f"`where` must have the samples and positions of the layer {layer!r}, "
            f"{shape[:-1]}; got {where.shape}. Give a dict of layers to have other "
            "masks, or none, for others: where={'encoder*': ...}."
        )
    missing = len(shape) - 1 - where.ndim
    mask = where.astype(bool).reshape(where.shape + (1,) * missing)
    return jnp.broadcast_to(mask, shape[:-1])


def _fits_twice(mask: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether the lengths of a mask fit a layer in more than one way.

    >>> _fits_twice((9, 4), (9, 4, 8)), _fits_twice((9, 4), (9, 4, 4, 8))
    (False, True)
    >>> _fits_twice((9, 4), (9, 4))  # positions, or as many neurons?
    True
    """
    if len(mask) == len(shape) - 1 or len(mask) < 2:
        return False
    return mask == shape or (
        mask == shape[: len(mask)] and bool(set(mask[1:]) & set(shape[len(mask) :]))
    )


def neuron_names(shape: tuple[int, ...], pool: Pool) -> tuple[str, ...]:
    """Names `channel@position` of the neurons of a flattened layer, else none.

    >>> neuron_names((2, 1, 2), "flatten")
    ('0@0,0', '1@0,0', '0@1,0', '1@1,0')
    """
    if pool != "flatten" or len(shape) < 2:
        return ()
    positions = position_names(shape[:-1])
    return tuple(f"{c}@{place}" for place in positions for c in range(shape[-1]))


def _position_axes(values: Values) -> tuple[int, ...]:
    return tuple(range(1, values.ndim - 1))


def _of_channels(where: Where) -> Bool[Array, "samples ... 1"] | None:
    return None if where is None else where[..., None]


def _as_float(values: Values) -> Values:
    inexact = jnp.issubdtype(values.dtype, jnp.inexact)
    return values if inexact else values.astype(jnp.float32)
