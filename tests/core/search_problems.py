"""Problems for the search, solved by its own parts and by the definition."""

from fractions import Fraction
from functools import cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse

from invert_jax.core import exact, ranking
from invert_jax.core.objectives.auroc import AUROC
from invert_jax.core.search import packing
from invert_jax.core.search.beam import formulas_of
from invert_jax.core.search.layout import choose_layout
from invert_jax.core.search.limits import Bounds, Limits
from invert_jax.core.search.search import search
from tests import oracle


class Answer(NamedTuple):
    """One formula of a beam; literals are 2 * column + negated."""

    literals: tuple[int, ...]
    operators: tuple[int, ...]
    num_positives: int
    score: Fraction


class Rows(NamedTuple):
    """Neurons and concepts on distinct concept rows: all that the search sees."""

    sums: np.ndarray
    masks: np.ndarray
    counts: np.ndarray


def wide(values):
    """Integers as `Wide`, normalized by Python."""
    high = [int(v) >> exact.LOW_BITS for v in values]
    low = [int(v) & exact.LOW_MASK for v in values]
    return exact.Wide(jnp.array(high, jnp.int32), jnp.array(low, jnp.int32))


class Problem(NamedTuple):
    """What to search for, as its caller sees it."""

    num_samples: int
    min_positives: int
    max_positives: int
    max_length: int = 3
    beam_size: int = 3
    num_usable: int | None = None
    list_size: int = 32

    @property
    def limits(self):
        narrowed = self.num_usable is not None
        return Limits(self.max_length, self.beam_size, narrowed, self.list_size)

    @property
    def bounds(self):
        usable = self.num_usable or 0
        numbers = self.num_samples, self.min_positives, self.max_positives, usable
        return Bounds(*map(np.int32, numbers))


@cache
def searcher(objective, limits):
    """The search of a block of neurons, compiled once for the same sizes."""
    return jax.jit(partial(search, objective=objective, limits=limits))


def compress(activations, masks):
    """Rows of samples, and the columns kept: neither constant nor repeated."""
    columns = searched_columns(masks)
    rows, row_of_sample = np.unique(masks[:, columns], axis=0, return_inverse=True)
    row_of_sample = row_of_sample.reshape(-1).astype(np.int32)
    sums = [
        ranking.host_row_sums(ranking.rank_host(one), row_of_sample, num_rows=len(rows))
        for one in activations.T
    ]
    return Rows(np.stack(sums), rows, np.bincount(row_of_sample)), columns


def searched_columns(masks):
    first: dict[bytes, int] = {}
    for column in range(masks.shape[1]):
        if 0 < masks[:, column].sum() < len(masks):
            first.setdefault(masks[:, column].tobytes(), column)
    return np.array(sorted(first.values()))


def pack_rows(rows, layout=None):
    """What `search` is called with."""
    layout = layout or choose_layout(rows.counts, rows.masks.shape[1])
    table = packing.pack(scipy.sparse.csr_array(rows.masks), rows.counts, layout)
    limbs = exact.to_limbs(rows.sums, num_limbs=layout.num_limbs)
    return packing.spread(limbs, layout).transpose(1, 2, 0, 3), table


def solve_rows(rows, limits, *, objective=AUROC, layout=None, is_active=None):
    """Per neuron and step the beam of the search, as lists of `Answer`."""
    if is_active is None:
        is_active = np.ones(len(rows.sums), bool)
    weights, table = pack_rows(rows, layout)
    program = searcher(objective, limits.limits)
    return read(program(weights, is_active, table, limits.bounds), limits)


def read(found, limits):
    """What was found for a block of neurons as nested lists of `Answer`."""
    found = formulas_of(np.asarray(found))
    sums = exact.to_int64(found.sums)
    literals, operators, lengths, counts = (
        np.asarray(field)
        for field in (
            found.literals,
            found.operators,
            found.lengths,
            found.num_positives,
        )
    )

    def answer(place):
        length, count = int(lengths[place]), int(counts[place])
        bits = int(operators[place])
        pairs = count * (limits.num_samples - count)
        return Answer(
            tuple(literals[place][:length].tolist()),
            tuple(bits >> (length - 2 - i) & 1 for i in range(length - 1)),
            count,
            Fraction(pairs + int(sums[place]), 2 * pairs),
        )

    num_neurons, num_steps, beam_size = lengths.shape
    for place in np.ndindex(num_neurons, num_steps):
        filled = counts[place] > 0
        assert (np.diff(filled.astype(int)) <= 0).all(), "empty slots come last"
    return [
        [
            [answer((j, t, r)) for r in range(beam_size) if counts[j, t, r] > 0]
            for t in range(num_steps)
        ]
        for j in range(num_neurons)
    ]


def solve(activations, masks, limits, *, sign="positive", layout=None):
    """As `solve_rows`, on samples; literals count the columns of `masks`."""
    rows, columns = compress(activations, masks)
    if sign == "negative":
        rows = rows._replace(sums=-rows.sums)
    answers = solve_rows(rows, limits, layout=layout)
    return [
        [[renumber(one, columns) for one in beam] for beam in steps]
        for steps in answers
    ]


def renumber(answer, columns):
    literals = tuple(int(2 * columns[q // 2] + q % 2) for q in answer.literals)
    return answer._replace(literals=literals)


def expected(activations, masks, limits, *, sign="positive"):
    """As `solve`, by the oracle."""
    usable = limits.num_usable
    steps = partial(
        oracle.beam_search,
        masks=masks,
        max_length=limits.max_length,
        beam_size=limits.beam_size,
        min_positives=limits.min_positives,
        max_positives=limits.max_positives,
        sign=sign,
        num_literals=None if usable is None else 2 * usable,
    )
    return [
        [
            [Answer(e.literals, e.operators, e.num_positives, e.score) for e in beam]
            for beam in steps(one)
        ]
        for one in activations.T
    ]


def expected_of_rows(rows, limits):
    """As `solve_rows`, by the definition on rows, for samples too many to enumerate."""
    return [_beam_search(sums, rows, limits) for sums in rows.sums]


def _beam_search(sums, rows, limits):
    num_samples, num_concepts = int(rows.counts.sum()), rows.masks.shape[1]
    weights = np.stack((sums, rows.counts), axis=1).astype(np.int64)

    def entry(mask, literals, operators):
        total, count = (int(x) for x in weights[mask].sum(0))
        if not limits.min_positives <= count <= limits.max_positives:
            return None
        pairs = count * (num_samples - count)
        score = Fraction(pairs + total, 2 * pairs)
        return oracle.Entry(score, literals, operators, mask.tobytes(), count)

    def best(pool):
        kept: dict[bytes, oracle.Entry] = {}
        for one in sorted((e for e in pool if e is not None), key=lambda e: e.key):
            kept.setdefault(one.mask, one)
        return list(kept.values())[: limits.beam_size]

    literals = [
        (2 * k + negated, rows.masks[:, k] ^ bool(negated))
        for k in range(num_concepts)
        for negated in (0, 1)
    ]
    beam = best(entry(mask, (q,), ()) for q, mask in literals)
    steps = [beam]
    for _ in range(limits.max_length - 1):
        pool = list(beam)
        for member in beam:
            mask = np.frombuffer(member.mask, bool)
            for q, held in literals:
                for operator, joined in ((0, mask & held), (1, mask | held)):
                    operators = (*member.operators, operator)
                    pool.append(entry(joined, (*member.literals, q), operators))
        beam = best(pool)
        steps.append(beam)
    return [
        [Answer(e.literals, e.operators, e.num_positives, e.score) for e in one]
        for one in steps
    ]


def graded_rows(rng, *, num_samples, row_masks, num_levels, num_neurons=1):
    """Exact row sums of neurons of few levels over many samples, without the samples.

    Each row holds some samples of each level; the midranks follow from the sizes of
    the levels, in Python integers.
    """
    num_rows = len(row_masks)
    cuts = np.sort(rng.choice(num_samples - 1, num_rows - 1, replace=False) + 1)
    counts = np.diff(np.concatenate(([0], cuts, [num_samples])))
    sums = []
    for _ in range(num_neurons):
        shares = rng.dirichlet(np.ones(num_levels), num_rows)
        held = np.stack(
            [rng.multinomial(n, share) for n, share in zip(counts, shares, strict=True)]
        )
        ends = [int(x) for x in held.sum(0).cumsum()]
        starts = [0, *ends[:-1]]
        midranks = [a + b - num_samples for a, b in zip(starts, ends, strict=True)]
        sums.append(
            [
                sum(int(h) * c for h, c in zip(row, midranks, strict=True))
                for row in held
            ]
        )
    return Rows(np.array(sums), row_masks, counts)


def distinct_rows(rng, *, num_rows, num_concepts, density=0.4):
    """Random distinct rows whose columns are distinct and not constant."""
    while True:
        masks = np.unique(rng.random((4 * num_rows, num_concepts)) < density, axis=0)
        masks = rng.permutation(masks)[:num_rows]
        if len(masks) == num_rows and len(searched_columns(masks)) == num_concepts:
            return masks


def free_limits(num_samples, **changes):
    """A search without bounds, but for the changes."""
    return Problem(num_samples, 1, num_samples - 1)._replace(**changes)
