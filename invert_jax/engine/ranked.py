"""Blocks of neurons as a program takes them: the row sums of their ranks."""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import jax
import numpy as np
from jax import Array
from jax.sharding import Mesh, NamedSharding
from jaxtyping import Bool, Float, Int, Shaped

from invert_jax.concepts.table import Concepts
from invert_jax.core import exact, ranking
from invert_jax.core.search import packing
from invert_jax.core.search.layout import Layout
from invert_jax.core.statistics import tie_patterns
from invert_jax.engine.programs import BY_NEURON, EVERYWHERE, rank_program

# Columns of a C-ordered matrix that share cache lines are copied together, first as
# they lie and then transposed: at once, each line is read once per column.
COLUMNS_TOGETHER = 32


class Block(NamedTuple):
    """What a program works on; the neurons may be filled up with others of no weight.

    Attributes:
        weights: Limbs of the row sums; on the host or on the devices.
        is_active: Which neurons to work on, without the filling.
    """

    weights: (
        Float[np.ndarray, "size chunks limbs rows"]
        | Float[Array, "size chunks limbs rows"]
    )
    is_active: Bool[np.ndarray, " neurons"]


class Ties(NamedTuple):
    """What is tied in the activations of the neurons of a block.

    Attributes:
        tie_sums: Sum of t**3 - t over the groups of t tied samples.
        is_constant: Whether all activations are equal.
        tie_groups: The large groups, as in `core.statistics.tie_patterns`.
    """

    tie_sums: Float[np.ndarray, " neurons"]
    is_constant: Bool[np.ndarray, " neurons"]
    tie_groups: Int[np.ndarray, "neurons groups 2"]


class Ranker:
    """Ranks the neurons of blocks and sums their ranks over the rows of a table.

    Attributes:
        row_of_sample: Row of each sample.
        num_rows: Number of rows.
        layout: How the sums lie in a block.
        mesh: The devices of a block.
        negative: Whether to search for what neurons are low for.
    """

    def __init__(
        self, concepts: Concepts, layout: Layout, mesh: Mesh, *, negative: bool
    ):
        self.row_of_sample = np.asarray(concepts.row_of_sample)
        self.num_rows = concepts.num_rows
        self.layout = layout
        self.mesh = mesh
        self.negative = negative

    @property
    def on_cpu(self) -> bool:
        """Whether the devices are the host's own processor."""
        return self.mesh.devices.flat[0].platform == "cpu"

    def rank(
        self,
        activations: Shaped[np.ndarray, "samples neurons"],
        size: int,
        threads: ThreadPoolExecutor,
    ) -> tuple[Block, Ties]:
        """A block of `size` neurons; on a CPU ranked by NumPy, which sorts faster."""
        if self.on_cpu or activations.dtype.itemsize > 4:
            return self.rank_on_host(activations, size, threads)
        return self.rank_on_devices(activations, size)

    def rank_on_host(
        self,
        activations: Shaped[np.ndarray, "samples neurons"],
        size: int,
        threads: ThreadPoolExecutor,
    ) -> tuple[Block, Ties]:
        """The same by NumPy, some neurons in each thread."""
        count = activations.shape[1]
        weights = self.no_weights(size)
        ties = _no_ties(count)

        def rank_some(first: int) -> None:
            stop = first + COLUMNS_TOGETHER
            some = np.ascontiguousarray(activations[:, first:stop])
            columns = np.ascontiguousarray(some.T)
            for neuron, values in enumerate(columns, first):
                ranks = ranking.rank_host(values)
                sums = ranking.host_row_sums(
                    ranks, self.row_of_sample, num_rows=self.num_rows
                )
                weights[neuron] = self.limbs_of(sums)
                ties.tie_sums[neuron] = ranks.tie_sum
                ties.is_constant[neuron] = not ranks.midranks.any()
                if ranks.tie_sum > 0:
                    groups = tie_patterns.large_groups(ranks.midranks)
                    ties.tie_groups[neuron] = groups

        list(threads.map(rank_some, range(0, count, COLUMNS_TOGETHER)))
        return Block(weights, ~ties.is_constant), ties

    def no_weights(self, size: int) -> Float[np.ndarray, "size chunks limbs rows"]:
        """Room for the weights of a block."""
        layout = self.layout
        shape = (size, layout.num_chunks, layout.num_limbs, layout.rows_per_chunk)
        return np.zeros(shape, np.float32)

    def limbs_of(
        self, row_sums: Int[np.ndarray, " rows"]
    ) -> Float[np.ndarray, "chunks limbs rows_per_chunk"]:
        """The weights of one neuron from its row sums, with the sign searched for."""
        signed = -row_sums if self.negative else row_sums
        limbs = exact.to_limbs(signed, num_limbs=self.layout.num_limbs)
        return packing.spread(limbs, self.layout).swapaxes(0, 1)

    def rank_on_devices(
        self, activations: Shaped[np.ndarray, "samples neurons"], size: int
    ) -> tuple[Block, Ties]:
        """The same on the devices, where numbers have at most 32 bits."""
        num_samples, count = activations.shape
        padded = np.zeros((size, num_samples), activations.dtype)
        padded[:count] = activations.T
        on_devices = jax.device_put(padded, NamedSharding(self.mesh, BY_NEURON))
        rows = jax.device_put(self.row_of_sample, NamedSharding(self.mesh, EVERYWHERE))
        program = rank_program(
            self.mesh, self.layout, num_rows=self.num_rows, negative=self.negative
        )
        with jax.set_mesh(self.mesh):  # the user may have set another
            weights, squares, tied = program(on_devices, rows)
        parts = jax.device_get(squares)[:count]
        lowest, others = jax.device_get(tied)[:count].T
        ties = _no_ties(count)
        ties.tie_sums[:] = ranking.tie_sum_from_squares(parts, num_samples=num_samples)
        ties.is_constant[:] = ~parts.any((1, 2, 3))
        ties.tie_groups[:, 0, 1] = np.where(lowest > 1, lowest, 0)
        for neuron in np.flatnonzero(others * tie_patterns.LARGE > num_samples):
            ranks = ranking.rank_host(np.ascontiguousarray(activations[:, neuron]))
            ties.tie_groups[neuron] = tie_patterns.large_groups(ranks.midranks)
        return Block(weights, ~ties.is_constant), ties


def _no_ties(count: int) -> Ties:
    """Room for the ties of some neurons."""
    groups = np.zeros((count, tie_patterns.NUM_GROUPS, 2), np.int64)
    return Ties(np.zeros(count), np.zeros(count, bool), groups)
