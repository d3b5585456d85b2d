"""The loop over the blocks of a layer: one is searched while the next is ranked.

A block is as large as the memory budget allows; each device works on its own neurons of
a block, and they do not communicate.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding

from invert_jax.concepts.table import Concepts
from invert_jax.core.search import packing
from invert_jax.core.search.layout import choose_layout
from invert_jax.engine.programs import BY_NEURON, EVERYWHERE, Program
from invert_jax.engine.ranked import Block, Ranker
from invert_jax.pipeline import started_ahead

T = TypeVar("T")

# Larger blocks gain nothing on a CPU, whose caches they leave.
CPU_BLOCK = 64
LARGEST_BLOCK = 4096
# Rows times concepts times formulas extended, up to which a CPU searches a whole block
# in a fifth of a second: it matters little how many of its neurons only fill it.
LARGE_SEARCH = 1 << 25
SMALLEST_CPU_BLOCK = 4


class Blocks:
    """One table of concepts on the devices, and the loop over blocks of neurons."""

    def __init__(
        self,
        concepts: Concepts,
        *,
        devices: Sequence[jax.Device] | None,
        negative: bool = False,
    ):
        self.mesh = Mesh(np.array(devices or jax.local_devices()), ("neurons",))
        on_cpu = self.mesh.devices.flat[0].platform == "cpu"
        self.layout = choose_layout(
            concepts.row_counts,
            concepts.num_concepts,
            on_cpu=on_cpu,
        )
        table = packing.pack(concepts.rows, concepts.row_counts, self.layout)
        self.table = self.on_devices(table)
        self.ranker = Ranker(concepts, self.layout, self.mesh, negative=negative)

    def on_devices(self, shared: T) -> T:
        """Arrays that every device has whole."""
        return jax.device_put(shared, NamedSharding(self.mesh, EVERYWHERE))

    def shape(self, size: int) -> tuple[int, ...]:
        """What the programs of blocks of a size are compiled for."""
        return (size, *self.table.words.shape, self.layout.num_limbs)

    def size(
        self, num_neurons: int, *, beam: int, listed: int, budget: int, steps: int = 1
    ) -> int:
        """Neurons of a block: what fits into the budget beside the table.

        A multiple of the devices.

        Args:
            num_neurons: Neurons in all.
            beam: Members that are extended at a time.
            listed: Supports that are compared at a time.
            budget: Bytes.
            steps: Those of a search; the first extends one formula.
        """
        num_concepts, num_chunks, num_words = self.table.words.shape
        num_limbs, chunk = self.layout.num_limbs, self.layout.rows_per_chunk
        columns = num_limbs + 1
        # On a device the sort and its ties hold many arrays of all samples at once.
        sample_numbers = (4 if self.ranker.on_cpu else 16) * len(
            self.ranker.row_of_sample
        )
        weight_numbers = 4 * num_chunks * num_limbs * chunk
        pair_numbers = beam * num_concepts * (2 * columns + 24)
        masked_numbers = (beam + 1) * (columns + 1) * chunk
        compared_numbers = 4 * (listed + beam) ** 2
        word_numbers = 4 * (listed + 2 * beam) * num_chunks * num_words
        bytes_per_neuron = 4 * (
            sample_numbers + weight_numbers + pair_numbers + masked_numbers
            + compared_numbers + word_numbers
        )  # fmt: skip
        unpacked = 4 * num_concepts * chunk
        left = budget - unpacked - sum(part.nbytes for part in self.table)
        per_device = -(-num_neurons // self.mesh.size)
        fits = max(0, left) // bytes_per_neuron // self.mesh.size
        return self.mesh.size * max(
            1, min(fits, self._wanted(per_device, 1 + beam * (steps - 1)))
        )

    def _wanted(self, num_neurons: int, num_members: int) -> int:
        """Neurons of a block on a device that searches so many.

        As many as are fastest, whatever the number, so that layers share a program; but
        where a search takes long, little more than needed.

        Args:
            num_neurons: Neurons in all.
            num_members: Formulas extended in all of a search.
        """
        if not self.ranker.on_cpu:
            power_of_two = 1 << (num_neurons - 1).bit_length()
            return min(LARGEST_BLOCK, max(CPU_BLOCK, power_of_two))
        num_concepts, num_chunks, _ = self.table.words.shape
        num_cells = num_concepts * num_chunks * self.layout.rows_per_chunk
        size = CPU_BLOCK
        if num_cells * num_members > LARGE_SEARCH:
            while size > SMALLEST_CPU_BLOCK and -num_neurons % size > num_neurons / 8:
                size //= 2
        return size

    def run(
        self, program: Program, blocks: Iterable[tuple[Block, T]]
    ) -> Iterator[tuple[Any, T]]:
        """Run the program on blocks, in order; on one while the next is being made.

        Args:
            program: Takes the weights of a block, which of its neurons to work on, and
                the table.
            blocks: Each with what is known of it, which is handed through.

        Yields:
            What the program found for a block, on the host and without the filling.
        """
        begun = (
            (self._begin(program, block), len(block.is_active), known)
            for block, known in blocks
        )
        for found, count, known in started_ahead(begun, 1):
            yield _on_host(found, count), known

    def _begin(self, program: Program, block: Block) -> Any:
        """Start the program; the devices go on by themselves."""
        by_neuron = NamedSharding(self.mesh, BY_NEURON)
        filling = len(block.weights) - len(block.is_active)
        is_active = np.pad(block.is_active, (0, filling))
        weights = jax.device_put(block.weights, by_neuron)
        active = jax.device_put(is_active, by_neuron)
        with jax.set_mesh(self.mesh):  # the user may have set another
            return program(weights, active, self.table)


def _on_host(found: Any, count: int) -> Any:
    """Wait for what was found, and bring it to the host without the filling."""
    return jax.tree.map(lambda part: part[:count], jax.device_get(found))
