"""Beam search over left-linear formulas, exact, for some neurons at a time.

A formula is ((l1 o l2) o l3) ..., where each literal l is a concept or its negation
and each o is AND or OR. Step 1 keeps the best literals; each later step lets every
member of the beam compete with all its extensions by one literal, so that the length
asked for is a maximum [1]. One formula stands for all of the same support; without
that rule copies fill the beam.

All candidates are scored in float32 first. The best few are listed and decided
exactly, and listing goes on as long as a candidate that was not listed could still
beat the last formula kept: no fixed width is trusted.

[1] Bykov et al., "Labeling Neural Representations with Inverse Recognition", NeurIPS
2023, section 3.
"""

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Bool, Float, Int

from invert_jax.core import exact
from invert_jax.core.objectives.objective import Objective
from invert_jax.core.search.beam import NUM_OTHERS, Beam, formulas_of
from invert_jax.core.search.candidates import (
    NUM_KINDS,
    Parents,
    extensions,
)
from invert_jax.core.search.limits import Bounds, Limits
from invert_jax.core.search.order import merge
from invert_jax.core.search.packing import (
    ConceptTable,
    Measure,
    measure_of,
    sums_of_both,
    sums_of_concepts,
)
from invert_jax.core.search.shortlist import largest, lowest_rival, scores_in_race

# Of quotients of as many samples as there may be.
NUM_WORDS = exact.num_quotient_words(exact.MAX_SAMPLES)


def search(
    weights: Float[Array, "neurons chunks limbs rows"],
    is_active: Bool[Array, " neurons"],
    table: ConceptTable,
    bounds: Bounds,
    *,
    objective: Objective,
    limits: Limits,
) -> Int[Array, "neurons steps beam columns"]:
    """The best formulas of some neurons after each step, as `beam.table_of`.

    Args:
        weights: Limbs of the sum of weights over each distinct row.
        is_active: Which neurons to search; the slots of the others stay empty.
        table: The concepts; none may be constant, no two equal.
        bounds: What may be answered.
        objective: What to maximize.
        limits: Sizes.
    """
    num_neurons, num_concepts = len(weights), len(table.words)
    size = limits.beam_size

    def step(beam, index):
        is_first = index == 0
        num_chunks = jnp.where(is_first, 0, table.num_chunks)
        both = sums_of_both(beam.words, weights, table, num_chunks=num_chunks)
        both = jnp.where(is_first, jnp.expand_dims(concepts, 1), both)
        parents = Parents(beam, both, concepts, usable | is_first, is_first)
        # The empty formula is extended, but it is no answer.
        kept = beam._replace(numbers=jnp.where(is_first, 0, beam.numbers))
        best = keep_best(
            kept, parents, table, bounds, objective=objective, limits=limits
        )
        return best, best.numbers

    num_columns = limits.max_length + NUM_OTHERS
    count = jnp.where(is_active, bounds.num_samples, 0)
    # The empty formula in the first slot: but for its support, the last column, all 0.
    last_of_first = np.zeros((1, size, num_columns), np.int32)
    last_of_first[0, 0, -1] = 1
    root = jnp.asarray(last_of_first) * lax.expand_dims(count, (1, 2))
    words = jnp.broadcast_to(table.filled, (num_neurons, size, *table.filled.shape))
    concepts = sums_of_concepts(weights, table)
    usable = jnp.ones((1, num_concepts), bool)
    if limits.is_narrowed:
        usable = _usable(measure_of(concepts), bounds, objective)
    steps = np.arange(limits.max_length, dtype=np.int32)
    found = lax.scan(step, Beam(root, words), steps)[1]
    return found.swapaxes(0, 1)


def keep_best(
    kept: Beam,
    parents: Parents,
    table: ConceptTable,
    bounds: Bounds,
    *,
    objective: Objective,
    limits: Limits,
) -> Beam:
    """The best of `kept` and of all extensions of the parents, one per support."""
    num_neurons, size, _, num_concepts = parents.both.shape
    list_size = min(limits.list_size, size * NUM_KINDS * num_concepts)

    def decide(state):
        kept, last, _ = state
        scores = scores_in_race(
            parents, formulas_of(kept.numbers[:, -1:]), last,
            objective=objective, bounds=bounds,
        )  # fmt: skip
        listed, positions = largest(scores, list_size)
        is_listed = listed > -jnp.inf
        candidates = extensions(
            parents, positions, is_listed, table, bounds.num_samples
        )
        kept = merge(
            kept, candidates, objective=objective, num_samples=bounds.num_samples
        )
        worst = formulas_of(kept.numbers[:, -1])
        rival = lowest_rival(worst, objective, bounds.num_samples)
        more = is_listed[:, -1] & (listed[:, -1] >= rival)
        # This goes on as long as any neuron needs it; for the others nothing is left
        # in the race.
        last = jnp.where(more, listed[:, -1], -jnp.inf), positions[:, -1]
        return kept, last, more.any()

    nothing = (
        jnp.full(num_neurons, jnp.inf, jnp.float32),
        jnp.zeros(num_neurons, jnp.int32),
    )
    return lax.while_loop(lambda state: state[-1], decide, (kept, nothing, True))[0]


def _usable(
    concepts: Measure, bounds: Bounds, objective: Objective
) -> Bool[Array, "neurons concepts"]:
    """The concepts that extensions may use: those of largest |2 score - 1|."""
    losses = objective.loss(
        exact.absolute(concepts.sums),
        concepts.num_positives,
        num_samples=bounds.num_samples,
    )
    words = exact.quotient(losses, num_words=NUM_WORDS)
    positions = lax.broadcasted_iota(jnp.int32, concepts.num_positives.shape, 1)
    ranked = lax.sort((*words, positions), num_keys=NUM_WORDS + 1)[-1]
    place = lax.sort((ranked, positions), num_keys=1)[1]
    return place < bounds.num_usable
