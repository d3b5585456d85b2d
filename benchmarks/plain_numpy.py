"""The same search in plain vectorized NumPy, on samples: no distinct rows, no limbs.

Ranks by `scipy.stats.rankdata`; sums and counts of every extension of every member by
one float64 and one float32 matrix product over the samples, both exact at the sizes
here; the other kinds of extension by inclusion and exclusion; the few best candidates
decided as fractions. Copies that show in the counts are left out before anything is
sorted, the others by their masks. Shares no code with the package.
"""

from fractions import Fraction
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import rankdata

# A product of fewer is bound by the reading of the masks.
NEURONS_TOGETHER = 64
SHORTLIST = 16
KINDS = ((0, 0), (0, 1), (1, 0), (1, 1))


class Table(NamedTuple):
    """Concepts that are neither constant nor repeated, ready for products.

    Attributes:
        columns: Index of each in the whole table.
        masks: Truth values.
        wide: The same as float64.
        narrow: The same as float32.
        counts: Number of positives.
    """

    columns: Int[np.ndarray, " concepts"]
    masks: Bool[np.ndarray, "samples concepts"]
    wide: Float[np.ndarray, "samples concepts"]
    narrow: Float[np.ndarray, "samples concepts"]
    counts: Int[np.ndarray, " concepts"]


class Rules(NamedTuple):
    """What to search for; as the package's settings, with the bounds as counts."""

    max_length: int
    beam_size: int
    min_positives: int
    max_positives: int


class Member(NamedTuple):
    """A formula: literals 2 * concept + negated, operators 0 for AND and 1 for OR."""

    literals: tuple[int, ...]
    operators: tuple[int, ...]
    rank_sum: int
    support: int
    mask: Bool[np.ndarray, " samples"]

    @property
    def score(self) -> Fraction:
        """2 AUROC - 1, exact."""
        return Fraction(self.rank_sum, self.support * (len(self.mask) - self.support))

    @property
    def place(self) -> tuple:
        """Where it stands in the order of formulas; smaller is better."""
        key = (len(self.literals), -self.support, self.literals, self.operators)
        # Rounding keeps the order, so that fractions are compared only in a tie.
        return (-auroc(self), -self.score, *key)


def prepare(masks: Bool[np.ndarray, "samples concepts"]) -> Table:
    """Leave out constant and repeated columns, and make the products' operands."""
    counts = masks.sum(0)
    packed = np.ascontiguousarray(np.packbits(masks.T, axis=1))
    keys = packed.view(f"V{packed.shape[1]}").ravel()
    first = np.unique(keys, return_index=True)[1]
    constant = (counts == 0) | (counts == len(masks))
    columns = np.sort(first[~constant[first]])
    kept = masks[:, columns]
    return Table(
        columns,
        kept,
        kept.astype(np.float64),
        kept.astype(np.float32),
        counts[columns],
    )


def search(
    activations: Float[np.ndarray, "samples neurons"], table: Table, rules: Rules
) -> list[list[list[Member]]]:
    """The beam of each neuron after each step."""
    return [
        beams
        for start in range(0, activations.shape[1], NEURONS_TOGETHER)
        for beams in _search_some(
            activations[:, start : start + NEURONS_TOGETHER], table, rules
        )
    ]


def _search_some(activations, table: Table, rules: Rules) -> list[list[list[Member]]]:
    """The beams of a few neurons, whose products are taken together."""
    num_samples = len(activations)
    ranks = np.stack([2 * rankdata(neuron) for neuron in activations.T])
    ranks -= num_samples + 1
    of_concepts = ranks @ table.wide
    everything = Member((), (), 0, num_samples, np.ones(num_samples, bool))
    beams = []
    for sums in of_concepts:
        both = sums[None], table.counts[None]
        beams.append([_keep_best([everything], both, sums, table, rules)])
    for _ in range(1, rules.max_length):
        owners = [
            (neuron, member)
            for neuron, steps in enumerate(beams)
            for member in steps[-1]
        ]
        if not owners:
            break
        masks = np.stack([member.mask for _, member in owners])
        weighted = ranks[[neuron for neuron, _ in owners]] * masks
        sums_both = weighted @ table.wide
        num_both = (masks.astype(np.float32) @ table.narrow).astype(np.int64)
        start = 0
        for neuron, steps in enumerate(beams):
            own = slice(start, start + len(steps[-1]))
            start = own.stop
            both = sums_both[own], num_both[own]
            steps.append(_keep_best(steps[-1], both, of_concepts[neuron], table, rules))
    return beams


def _keep_best(
    members: list[Member], both: tuple, of_concepts, table: Table, rules: Rules
) -> list[Member]:
    """The best of the members and their extensions, one per support."""
    if not members:
        return []
    sums, counts, is_open = _extensions(members, both, of_concepts, table, rules)
    num_samples = len(table.masks)
    pairs = np.where(is_open, counts * (num_samples - counts), 1)
    scores = np.where(is_open, (pairs + sums) / (2 * pairs), -np.inf).ravel()
    is_root = not members[0].literals
    wanted = SHORTLIST
    while True:
        everything = wanted >= scores.size
        cut = -np.inf if everything else np.partition(scores, -wanted)[-wanted]
        listed = np.flatnonzero((scores >= cut) & (scores > -np.inf))
        pool = [] if is_root else [m for m in members if auroc(m) >= cut]
        for flat in listed:
            where = np.unravel_index(flat, sums.shape)
            pool.append(_extend(members, where, sums[where], counts[where], table))
        kept = _one_per_support(pool, rules.beam_size)
        if everything or len(kept) == rules.beam_size or cut == -np.inf:
            return kept
        wanted *= 8


def _extensions(members: list[Member], both: tuple, of_concepts, table: Table, rules):
    """Sums, counts and validity of every extension [members, kinds, concepts]."""
    sums_both, num_both = both
    num_samples = len(table.masks)
    sum_member = np.array([[float(member.rank_sum)] for member in members])
    num_member = np.array([[member.support] for member in members])
    sum_concept, num_concept = of_concepts[None], table.counts[None]
    sums = np.stack((
        sums_both,
        sum_member + sum_concept - sums_both,
        sum_member - sums_both,
        sums_both - sum_concept,
    ), axis=1)  # fmt: skip
    counts = np.stack((
        num_both,
        num_member + num_concept - num_both,
        num_member - num_both,
        num_samples - num_concept + num_both,
    ), axis=1)  # fmt: skip
    is_open = (counts >= rules.min_positives) & (counts <= rules.max_positives)
    if not members[0].literals:
        is_open[:, [1, 3]] = False
        return sums, counts, is_open
    nested = (num_both == num_member) | (num_both == num_concept)
    disjoint = (num_both == 0) | (num_both == num_member + num_concept - num_samples)
    copies = np.stack((nested, nested, disjoint, disjoint), axis=1)
    return sums, counts, is_open & ~copies


def auroc(member: Member) -> float:
    """The score of a formula, the exact fraction rounded once."""
    pairs = member.support * (len(member.mask) - member.support)
    return (pairs + member.rank_sum) / (2 * pairs)


def _extend(members: list[Member], where: tuple, rank_sum, count, table) -> Member:
    """A member and one more literal."""
    index, kind, concept = (int(each) for each in where)
    negated, operator = KINDS[kind]
    member = members[index]
    literal = table.masks[:, concept] ^ bool(negated)
    mask = member.mask | literal if operator else member.mask & literal
    literals = (*member.literals, 2 * int(table.columns[concept]) + negated)
    operators = (*member.operators, operator) if member.literals else ()
    return Member(literals, operators, int(rank_sum), int(count), mask)


def _one_per_support(pool: list[Member], beam_size: int) -> list[Member]:
    """The first `beam_size` formulas whose supports differ, best first."""
    kept: list[Member] = []
    for one in sorted(pool, key=lambda member: member.place):
        same = (
            other.support == one.support
            and other.rank_sum == one.rank_sum
            and np.array_equal(other.mask, one.mask)
            for other in kept
        )
        if not any(same):
            kept.append(one)
        if len(kept) == beam_size:
            break
    return kept
