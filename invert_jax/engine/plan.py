"""What runs a search: its program, and how large its blocks are."""

from typing import NamedTuple

import numpy as np

from invert_jax.concepts.table import Concepts
from invert_jax.core.search.limits import Bounds, Limits
from invert_jax.engine.blocks import Blocks
from invert_jax.engine.programs import Program, search_program
from invert_jax.settings import Options, SearchSettings

# Candidates decided at a time: with a beam of five they are 32 formulas, which XLA
# compares fastest; where the beam is wide, fewer rounds are.
SHORTEST_LIST, LONGEST_LIST = 27, 256


class Plan(NamedTuple):
    """What runs a search.

    Attributes:
        blocks: What ranks neurons and runs the program.
        program: The search of a block.
        size: Neurons of a block.
    """

    blocks: Blocks
    program: Program
    size: int


def plan_search(
    table: Concepts, settings: SearchSettings, options: Options, *, count: int
) -> Plan:
    """What searches `count` neurons on the columns of a table.

    Args:
        table: Without constant and equal columns; not empty.
        settings: What to search for.
        options: How to run.
        count: Neurons in all.
    """
    smallest, largest = settings.bounds(table.num_samples)
    literals = settings.num_literals
    usable = table.num_concepts if literals is None else literals // 2
    numbers = (table.num_samples, smallest, largest, min(usable, table.num_concepts))
    limits = Limits(
        max_length=settings.max_length,
        beam_size=settings.beam_size,
        is_narrowed=usable < table.num_concepts,
        list_size=max(SHORTEST_LIST, min(settings.beam_size, LONGEST_LIST)),
    )
    blocks = Blocks(
        table, devices=options.devices, negative=settings.sign == "negative"
    )
    bounds = blocks.on_devices(Bounds(*(np.int32(number) for number in numbers)))
    size = blocks.size(
        count,
        beam=limits.beam_size,
        listed=limits.list_size,
        budget=options.memory_budget,
        steps=limits.max_length,
    )
    program = search_program(
        blocks.mesh, settings.how_to_score, limits, blocks.shape(size)
    )
    return Plan(blocks, lambda *block: program(*block, bounds), size)
