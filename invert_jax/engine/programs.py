"""The compiled programs of a block; the only place where the core is jitted."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Bool, Float, Int, Shaped

from invert_jax.core import exact, ranking
from invert_jax.core.objectives.objective import Objective
from invert_jax.core.search import packing
from invert_jax.core.search.layout import Layout
from invert_jax.core.search.limits import Limits
from invert_jax.core.search.search import search

BY_NEURON = PartitionSpec("neurons")
EVERYWHERE = PartitionSpec()
Program = Callable[..., Any]
# Programs kept of each kind, for one shape of their arrays each: of more tables than
# these, as in a loop over vocabularies, the earliest are let go, some 25 MiB each.
KEPT = 8


@lru_cache(maxsize=KEPT)
def search_program(
    mesh: Mesh, objective: Objective, limits: Limits, shape: tuple[int, ...]
) -> Program:
    """The jitted search of a block; the same for the same sizes and limits.

    Args:
        mesh: The devices.
        objective: What to maximize.
        limits: Sizes.
        shape: Of the arrays that it will be called with; each has its own program.
    """
    del shape

    searched = partial(search, objective=objective, limits=limits)
    return _over_devices(searched, mesh, of_neurons=2, shared=2)


@lru_cache(maxsize=KEPT)
def concept_sums_program(mesh: Mesh, shape: tuple[int, ...]) -> Program:
    """The jitted sums of the weights over each concept; see `search_program`."""
    del shape

    return _over_devices(concept_sums, mesh, of_neurons=2, shared=1)


def concept_sums(
    weights: Float[Array, "neurons chunks limbs rows"],
    is_active: Bool[Array, " neurons"],
    table: packing.ConceptTable,
) -> exact.Wide:
    """Sums of the weights of some neurons over each concept."""
    del is_active
    return packing.measure_of(packing.sums_of_concepts(weights, table)).sums


@lru_cache(maxsize=KEPT)
def rank_program(
    mesh: Mesh, layout: Layout, *, num_rows: int, negative: bool
) -> Callable[..., tuple[Array, Array, Array]]:
    """The jitted ranks of a block; takes activations and the row of each sample."""
    rank = partial(rank_rows, layout=layout, num_rows=num_rows, negative=negative)
    together = jax.vmap(rank, in_axes=(0, None))
    return _over_devices(together, mesh, of_neurons=1, shared=1)


def rank_rows(
    activations: Shaped[Array, " samples"],
    row_of_sample: Int[Array, " samples"],
    *,
    layout: Layout,
    num_rows: int,
    negative: bool,
) -> tuple[Float[Array, "chunks limbs rows"], Int[Array, "3 2 parts"], Int[Array, "2"]]:
    """Limbs of the row sums of one neuron's ranks, and what is tied.

    Returns:
        The limbs, the parts of the tie sum, and how many samples are tied at the lowest
        value and at most at any other.
    """
    midranks, rows = ranking.rank_device(activations, row_of_sample)
    signed = -midranks if negative else midranks
    sums = ranking.device_row_sums(signed, rows, num_rows=num_rows)
    limbs = exact.split(sums, num_limbs=layout.num_limbs)
    size = layout.num_chunks * layout.rows_per_chunk
    padded = jnp.pad(limbs, ((0, 0), (0, size - num_rows)))
    chunks = padded.reshape(layout.num_limbs, layout.num_chunks, layout.rows_per_chunk)
    tied = ranking.device_tie_sizes(midranks)
    return chunks.swapaxes(0, 1), ranking.device_square_sums(midranks), tied


def _over_devices(
    function: Callable, mesh: Mesh, *, of_neurons: int, shared: int
) -> Program:
    """`function` of some neurons, for all neurons of a block."""
    return jax.jit(
        jax.shard_map(
            function,
            mesh=mesh,
            in_specs=(*[BY_NEURON] * of_neurons, *[EVERYWHERE] * shared),
            out_specs=BY_NEURON,
            check_vma=False,
        )
    )
