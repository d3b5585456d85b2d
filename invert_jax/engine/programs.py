"""The compiled programs of a block; the only place where the core is jitted."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Float, Int, Shaped

from invert_jax.core import exact, ranking
from invert_jax.core.objectives.objective import Objective
from invert_jax.core.search import packing
from invert_jax.core.search.limits import Limits
from invert_jax.core.search.search import Found, search

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
        limits: What may be answered.
        shape: Of the arrays that it will be called with; each has its own program.
    """
    del shape

    def search_one(weights, is_active, table) -> Found:
        return search(
            weights, table, objective=objective, limits=limits, is_active=is_active
        )

    return _by_neuron(search_one, mesh)


@lru_cache(maxsize=KEPT)
def concept_sums_program(mesh: Mesh, shape: tuple[int, ...]) -> Program:
    """The jitted sums of the weights over each concept; see `search_program`."""
    del shape

    def sum_one(weights, is_active, table) -> exact.Wide:
        del is_active
        everywhere = jnp.expand_dims(table.filled, 1)
        sums, _ = packing.sums_of_both(everywhere, weights, table)
        return jax.tree.map(lambda part: part[0], sums)

    return _by_neuron(sum_one, mesh)


@lru_cache(maxsize=KEPT)
def rank_program(
    mesh: Mesh, layout: packing.Layout, *, num_rows: int, negative: bool
) -> Callable[..., tuple[Array, Array, Array]]:
    """The jitted ranks of a block; takes activations and the row of each sample."""
    rank = partial(rank_rows, layout=layout, num_rows=num_rows, negative=negative)
    return _by_neuron(rank, mesh, of_neurons=1)


def rank_rows(
    activations: Shaped[Array, " samples"],
    row_of_sample: Int[Array, " samples"],
    *,
    layout: packing.Layout,
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


def _by_neuron(function: Callable, mesh: Mesh, *, of_neurons: int = 2) -> Program:
    """`function` of one neuron, for all neurons of a block, over the devices.

    Args:
        function: Takes arrays of a neuron, and last what all neurons share.
        mesh: The devices.
        of_neurons: Number of the former.
    """
    return jax.jit(
        jax.shard_map(
            jax.vmap(function, in_axes=(*[0] * of_neurons, None)),
            mesh=mesh,
            in_specs=(*[BY_NEURON] * of_neurons, EVERYWHERE),
            out_specs=BY_NEURON,
            check_vma=False,
        )
    )
