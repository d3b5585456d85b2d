"""`auroc`: the exact score of each neuron for each mask."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float
from numpy.typing import ArrayLike

from invert_jax.activations.array import Activations
from invert_jax.activations.reading import read_blocks
from invert_jax.concepts.table import Concepts
from invert_jax.core import exact
from invert_jax.core.objectives.auroc import auroc_score
from invert_jax.engine.arguments import checked_layers
from invert_jax.engine.blocks import Blocks
from invert_jax.engine.programs import concept_sums_program
from invert_jax.plain_arrays import labels_of
from invert_jax.settings import Options, checked_options


def auroc(
    activations: Activations | ArrayLike,
    masks: ArrayLike | sp.sparray | sp.spmatrix,
    *,
    options: Options | None = None,
) -> Float[np.ndarray, "neurons concepts"]:
    """AUROC of each neuron for each mask: exact, rounded once to float64.

    The probability that a positive sample has a larger activation than a negative one,
    ties counting one half. nan for a mask that never or always holds.

    Args:
        activations: [samples, neurons], finite, any real dtype of up to 64 bits.
        masks: bool [samples, concepts], dense or scipy.sparse.
        options: How to run; changes no result.

    Returns:
        In [0, 1].

    >>> activations = np.array([[0.1], [0.4], [0.35], [0.8]])
    >>> auroc(activations, np.array([[False], [False], [True], [True]]))
    array([[0.75]])
    """
    options = checked_options(options)
    shape = np.shape(masks)
    numbers = [str(column) for column in range(shape[1] if len(shape) == 2 else 0)]
    names = labels_of(masks).columns or numbers
    table = Concepts.from_masks(masks, names)
    layer = checked_layers(activations, table)[""]
    blocks = Blocks(table, devices=options.devices)
    size = blocks.size(
        layer.num_neurons, beam=1, listed=0, budget=options.memory_budget
    )
    neurons = np.arange(layer.num_neurons)
    result = np.empty((layer.num_neurons, table.num_concepts))
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        ranked = (
            (blocks.ranker.rank(activations, size, threads)[0], start)
            for start, activations in read_blocks(layer, neurons, None, size)
        )
        program = concept_sums_program(blocks.mesh, blocks.shape(size))
        for found, start in blocks.run(program, ranked):
            sums = exact.to_int64(found)[:, : table.num_concepts]
            result[start : start + len(sums)] = auroc_score(
                sums, table.num_positives, num_samples=table.num_samples
            )
    return result
