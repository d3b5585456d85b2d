"""Checks of what `explain` is given, before any work begins."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Int
from numpy.typing import ArrayLike

from invert_jax.activations.array import Activations, as_activations
from invert_jax.checks import check_text
from invert_jax.concepts.table import Concepts
from invert_jax.core.exact import MAX_SAMPLES
from invert_jax.plain_arrays import check_rows, labels_of, plain_array
from invert_jax.sample_ids import check_same_samples


def checked_layers(
    activations: Activations | ArrayLike | Mapping, concepts: Concepts
) -> dict[str, Activations]:
    """The layers by name, each of the samples of the concepts; one is named ""."""
    layers = activations if isinstance(activations, Mapping) else {"": activations}
    if not layers:
        raise ValueError("`activations` must hold at least one layer; got none.")
    for name in layers:
        if not isinstance(name, str):
            raise TypeError(f"`activations` must name layers by str; got {name!r}.")
    check_text("activations", layers)
    checked = {name: as_activations(each, name) for name, each in layers.items()}
    for each in layers.values() if concepts.ids is None else ():
        if not isinstance(each, Activations):
            check_rows("activations", labels_of(each), None)
    for each in checked.values():
        _check_same_samples(each, concepts)
    return checked


def checked_where(
    where: ArrayLike | None, num_samples: int, ids: np.ndarray | None = None
) -> np.ndarray | None:
    """Indices of the samples that count; None where all do."""
    if where is None:
        return None
    mask = plain_array("where", where, ids=ids)
    if mask.dtype != bool:
        raise TypeError(f"`where` must be boolean; got dtype {mask.dtype}.")
    if mask.shape != (num_samples,):
        raise ValueError(
            f"`where` must hold one truth value for each of the {num_samples} samples; "
            f"got shape {mask.shape}."
        )
    if not mask.any():
        raise ValueError("`where` must be true of at least one sample; got none.")
    return None if mask.all() else np.flatnonzero(mask)


def checked_neurons(
    neurons: ArrayLike | None, num_neurons: int
) -> Int[np.ndarray, " neurons"]:
    """Indices of the neurons to explain, in the order asked for."""
    if neurons is None:
        return np.arange(num_neurons)
    indices = plain_array("neurons", neurons)
    if indices.ndim != 1 or indices.dtype.kind not in "iu" or len(indices) == 0:
        raise ValueError(
            f"`neurons` must be a list of whole numbers, not empty; got {neurons!r}."
        )
    outside = indices[(indices < 0) | (indices >= num_neurons)]
    if len(outside):
        raise ValueError(
            f"`neurons` must be in [0, {num_neurons - 1}]; got {outside[0]}."
        )
    if len(np.unique(indices)) < len(indices):
        raise ValueError("`neurons` must be distinct; got one of them twice.")
    return indices.astype(np.int64)


def _check_same_samples(activations: Activations, concepts: Concepts) -> None:
    """Refuse other samples, another order, or too many."""
    if activations.num_samples > MAX_SAMPLES:
        raise ValueError(
            f"`activations` must have at most {MAX_SAMPLES} samples; got "
            f"{activations.num_samples}. Explain a part of them."
        )
    check_same_samples(
        "`activations` and `concepts`",
        (activations.num_samples, concepts.num_samples),
        (activations.ids, concepts.ids),
        cure="concepts.align(activations.ids) reorders the concepts.",
    )
