"""How the layers of a store are cut into chunks and pieces."""

from collections.abc import Mapping

import numpy as np

from invert_jax.activations.collecting.running import Numbers, PooledLayer
from invert_jax.activations.store.format import (
    DTYPES,
    SAMPLES,
    StoredLayer,
)

BUFFER_BYTES = 2**25  # rows that wait, all layers; three times that is in memory
PIECE_BYTES = 2**18  # what is read at once
MOST_SAMPLES = 8192  # in one file


def planned_layers(
    plans: Mapping[str, PooledLayer], shapes: Mapping[str, Numbers]
) -> tuple[StoredLayer, ...]:
    """The layers of a new store, without rows.

    Args:
        plans: The layers.
        shapes: What each gives for a batch of any size: only its shapes are used.
    """
    positions = {name: int(np.prod(shapes[name].values.shape[1:-1])) for name in plans}
    sample_bytes = sum(
        positions[name] * values.shape[-1] * values.dtype.itemsize
        for name, (values, *_) in shapes.items()
    )
    num_samples = _power_of_two(BUFFER_BYTES / max(sample_bytes, 1), MOST_SAMPLES)
    return tuple(
        _planned(index, name, plan, shapes[name], num_samples * positions[name])
        for index, (name, plan) in enumerate(plans.items())
    )


def _planned(
    index: int, name: str, plan: PooledLayer, numbers: Numbers, num_rows: int
) -> StoredLayer:
    values = numbers.values
    dtype = str(np.dtype(values.dtype))
    if dtype not in DTYPES:
        raise TypeError(
            f"Layer {name!r} has dtype {dtype}, which a store cannot hold. Choose one "
            "by `dtype`, such as dtype='float32'."
        )
    num_neurons = values.shape[-1]
    if num_neurons == 0:
        raise ValueError(
            f"`store` needs layers with neurons; {name!r} has none. Leave it out of "
            "`layers`."
        )
    of_piece = PIECE_BYTES / (num_rows * values.dtype.itemsize)
    piece = min(_power_of_two(of_piece, 2**30), max(num_neurons, 1))
    folder = f"layers/{index}"
    ids = SAMPLES
    if plan.positions:  # those without padding are the same for all layers of a shape
        whole = "x".join(map(str, values.shape[1:-1]))
        ids = folder if numbers.kept is not None else f"positions/{whole}"
    return StoredLayer(
        name=name,
        folder=folder,
        dtype=dtype,
        num_rows=0,
        num_neurons=num_neurons,
        shape=list(plan.layer.shape),
        pool=plan.pool if isinstance(plan.pool, str) else "",
        ids=ids,
        chunk=[num_rows, -(-num_neurons // piece) * piece, piece],
    )


def _power_of_two(most: float, limit: int) -> int:
    """The largest power of two up to `most` and `limit`, at least 1.

    >>> _power_of_two(1000.0, 8192), _power_of_two(0.5, 8192), _power_of_two(1e9, 8192)
    (512, 1, 8192)
    """
    return min(limit, 2 ** max(0, int(most).bit_length() - 1))
