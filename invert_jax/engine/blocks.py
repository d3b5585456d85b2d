"""Ranks neurons and runs a program of the core on them, block by block.

The only place where the core is jitted. A block is as large as the memory budget
allows; each device works on its own neurons of a block, and they do not communicate.
While the devices are busy with one block, the host reads and ranks the next.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from typing import Any

import jax
import numpy as np
from jax import Array
from jax.sharding import Mesh, NamedSharding
from jaxtyping import Float, Int, Shaped

from invert_jax.concepts.table import Concepts
from invert_jax.core import exact, ranking
from invert_jax.core.search import packing
from invert_jax.core.statistics import tie_patterns
from invert_jax.engine.programs import BY_NEURON, EVERYWHERE, Program, rank_rows
from invert_jax.engine.ranked import COLUMNS_TOGETHER, Ranked, weights_shape

# Larger blocks gain nothing on a CPU, whose caches they leave.
LARGEST_CPU_BLOCK = 256
LARGEST_BLOCK = 4096


class Blocks:
    """Neurons of one table of concepts, ranked and handed to a program in blocks."""

    def __init__(
        self,
        concepts: Concepts,
        *,
        devices: Sequence[jax.Device] | None,
        negative: bool = False,
    ):
        self.layout = packing.choose_layout(concepts.row_counts)
        self.mesh = Mesh(np.array(devices or jax.local_devices()), ("neurons",))
        table = packing.pack(concepts.rows, concepts.row_counts, self.layout)
        self.table = jax.device_put(table, NamedSharding(self.mesh, EVERYWHERE))
        self.row_of_sample = np.asarray(concepts.row_of_sample)
        self.num_rows = concepts.num_rows
        self.negative = negative

    @property
    def on_cpu(self) -> bool:
        """Whether the devices are the host's own processor."""
        return self.mesh.devices.flat[0].platform == "cpu"

    def size(self, num_neurons: int, *, beam: int, listed: int, budget: int) -> int:
        """Neurons of a block: what fits into the budget beside the table.

        A multiple of the devices; for small jobs a power of two of them, so that few
        programs are compiled.

        Args:
            num_neurons: Neurons in all.
            beam: Members that are extended at a time.
            listed: Supports that are compared at a time.
            budget: Bytes.
        """
        num_chunks, num_concepts, num_words = self.table.words.shape
        columns = self.layout.num_limbs + 1
        # On a device the sort and its ties hold many arrays of all samples at once.
        sample_numbers = (4 if self.on_cpu else 16) * len(self.row_of_sample)
        weight_numbers = 4 * num_chunks * columns * self.layout.rows_per_chunk
        pair_numbers = beam * num_concepts * (2 * columns + 16)
        masked_numbers = beam * columns * self.layout.rows_per_chunk
        word_numbers = 4 * (listed + 2 * beam) * num_chunks * num_words
        bytes_per_neuron = 4 * (
            sample_numbers + weight_numbers + pair_numbers + masked_numbers
            + word_numbers
        )  # fmt: skip
        unpacked = 4 * num_concepts * self.layout.rows_per_chunk
        left = budget - unpacked - sum(part.nbytes for part in self.table)
        per_device = -(-num_neurons // self.mesh.size)
        wanted = 1 << (per_device - 1).bit_length()
        largest = LARGEST_CPU_BLOCK if self.on_cpu else LARGEST_BLOCK
        fits = max(0, left) // bytes_per_neuron // self.mesh.size
        return self.mesh.size * max(1, min(fits, largest, wanted))

    def run(
        self,
        program: Program,
        read: Callable[[int, int], Shaped[np.ndarray, "samples neurons"]],
        spans: Sequence[tuple[int, int]],
        size: int,
    ) -> Iterator[tuple[Any, Ranked]]:
        """Run the program on blocks of at most `size` neurons, in order.

        Args:
            program: Takes the weights of a block, which of its neurons to work on, and
                the table.
            read: Gives the activations of the neurons from a start to a stop.
            spans: The start and stop of each block.
            size: Neurons of a block; smaller ones are filled up.

        Yields:
            What the program found for a block, on the host, and its ranks.
        """
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            ranked = (self._rank(read(*span), size, threads) for span in spans)
            yield from self.run_ranked(program, ranked, size)

    def run_ranked(
        self, program: Program, blocks: Iterable[Ranked], size: int
    ) -> Iterator[tuple[Any, Ranked]]:
        """As `run`, of blocks that are ranked already."""
        pending = None
        for ranked in blocks:
            begun = self._begin(program, ranked, size), ranked
            if pending is not None:
                yield _finish(*pending)
            pending = begun
        if pending is not None:
            yield _finish(*pending)

    def _rank(self, block, size: int, threads: ThreadPoolExecutor) -> Ranked:
        """Row sums of the ranks, as limbs; on a CPU by NumPy, which sorts faster."""
        if self.on_cpu or block.dtype.itemsize > 4:
            return self._rank_on_host(block, size, threads)
        return self._rank_on_devices(block, size)

    def _rank_on_host(self, block, size: int, threads: ThreadPoolExecutor) -> Ranked:
        count = block.shape[1]
        weights = np.zeros((size, *weights_shape(self.layout)), np.float32)
        tie_sums, is_constant = np.zeros(count), np.zeros(count, bool)
        tie_groups = np.zeros((count, tie_patterns.NUM_GROUPS, 2), np.int64)

        def rank_some(first: int) -> None:
            some = np.ascontiguousarray(block[:, first : first + COLUMNS_TOGETHER])
            columns = np.ascontiguousarray(some.T)
            for neuron, activations in enumerate(columns, first):
                ranks = ranking.rank_host(activations)
                sums = ranking.host_row_sums(
                    ranks, self.row_of_sample, num_rows=self.num_rows
                )
                weights[neuron] = self.limbs_of(sums)
                tie_sums[neuron] = ranks.tie_sum
                is_constant[neuron] = not ranks.midranks.any()
                if ranks.tie_sum > 0:
                    tie_groups[neuron] = tie_patterns.large_groups(ranks.midranks)

        list(threads.map(rank_some, range(0, count, COLUMNS_TOGETHER)))
        return Ranked(weights, tie_sums, is_constant, tie_groups)

    def limbs_of(
        self, row_sums: Int[np.ndarray, " rows"]
    ) -> Float[np.ndarray, "chunks limbs rows_per_chunk"]:
        """The weights of one neuron from its row sums, with the sign searched for."""
        signed = -row_sums if self.negative else row_sums
        limbs = exact.to_limbs(signed, num_limbs=self.layout.num_limbs)
        return packing.spread(limbs, self.layout).swapaxes(0, 1)

    def _rank_on_devices(self, block, size: int) -> Ranked:
        padded = np.zeros((size, len(block)), block.dtype)
        padded[: block.shape[1]] = block.T
        activations = jax.device_put(padded, NamedSharding(self.mesh, BY_NEURON))
        rows = jax.device_put(self.row_of_sample, NamedSharding(self.mesh, EVERYWHERE))
        weights, squares, lowest = self._rank_program(activations, rows)
        parts = np.asarray(squares)[: block.shape[1]]
        tie_sums = ranking.tie_sum_from_squares(parts, num_samples=len(block))
        tie_groups = np.zeros((len(parts), tie_patterns.NUM_GROUPS, 2), np.int64)
        lowest, others = np.asarray(lowest)[: len(parts)].T
        tie_groups[:, 0, 1] = np.where(lowest > 1, lowest, 0)
        for neuron in np.flatnonzero(others * tie_patterns.LARGE > len(block)):
            ranks = ranking.rank_host(np.ascontiguousarray(block[:, neuron]))
            tie_groups[neuron] = tie_patterns.large_groups(ranks.midranks)
        constant = np.asarray(~parts.any((1, 2, 3)))
        return Ranked(weights, tie_sums, constant, tie_groups)

    @cached_property
    def _rank_program(self) -> Callable[..., tuple[Array, Array, Array]]:
        rank = partial(
            rank_rows,
            layout=self.layout,
            num_rows=self.num_rows,
            negative=self.negative,
        )
        return jax.jit(
            jax.shard_map(
                jax.vmap(rank, in_axes=(0, None)),
                mesh=self.mesh,
                in_specs=(BY_NEURON, EVERYWHERE),
                out_specs=BY_NEURON,
                check_vma=False,
            )
        )

    def _begin(self, program: Program, ranked: Ranked, size: int) -> Any:
        """Start the program; the devices go on by themselves."""
        by_neuron = NamedSharding(self.mesh, BY_NEURON)
        is_active = np.zeros(size, bool)
        is_active[: len(ranked.is_constant)] = ~ranked.is_constant
        weights = jax.device_put(ranked.weights, by_neuron)
        return program(weights, jax.device_put(is_active, by_neuron), self.table)


def _finish(found: Any, ranked: Ranked) -> tuple[Any, Ranked]:
    """Wait for a block, and bring what was found to the host without the filling."""
    count = len(ranked.is_constant)
    return jax.tree.map(lambda part: np.asarray(part)[:count], found), ranked
