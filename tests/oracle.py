"""The search by its definition: every formula enumerated, fractions compared exactly.

Follows the rules word for word on boolean masks of samples and `fractions.Fraction`,
and shares nothing with the package.
"""

from fractions import Fraction
from typing import NamedTuple

import numpy as np
from scipy import stats


class Entry(NamedTuple):
    """One formula: its place in the order, and its mask."""

    score: Fraction
    literals: tuple[int, ...]
    operators: tuple[int, ...]
    mask: bytes
    num_positives: int

    @property
    def key(self):
        """Score, fewer literals, larger support, canonical order."""
        return (
            -self.score,
            len(self.literals),
            -self.num_positives,
            self.literals,
            self.operators,
        )


def fraction_auroc(activations, mask):
    """AUROC as an exact fraction, by midranks."""
    doubled = (2 * stats.rankdata(activations.astype(np.float64))).astype(np.int64)
    positives, num_samples = int(mask.sum()), len(mask)
    negatives = num_samples - positives
    u = Fraction(int(doubled[mask].sum()), 2) - Fraction(positives * (positives + 1), 2)
    return u / (positives * negatives)


def beam_search(
    activations, masks, *, max_length, beam_size, min_positives, max_positives,
    sign="positive", num_literals=None,
):  # fmt: skip
    """The beam after each step, as lists of `Entry`."""
    num_samples, num_concepts = masks.shape
    signed = activations if sign == "positive" else -activations
    columns = [
        k
        for k in range(num_concepts)
        if 0 < masks[:, k].sum() < num_samples
        and not any((masks[:, k] == masks[:, j]).all() for j in range(k))
    ]
    doubled = 2 * stats.rankdata(signed.astype(np.float64)) - (num_samples + 1)
    weights = [int(c) for c in doubled]

    def entry(mask, literals, operators):
        n1 = int(mask.sum())
        if not min_positives <= n1 <= max_positives or n1 in (0, num_samples):
            return None
        total = sum(w for w, inside in zip(weights, mask, strict=True) if inside)
        pairs = n1 * (num_samples - n1)
        score = Fraction(pairs + total, 2 * pairs)
        return Entry(score, literals, operators, mask.tobytes(), n1)

    def best(pool):
        kept, seen = [], set()
        for one in sorted((e for e in pool if e is not None), key=lambda e: e.key):
            if one.mask not in seen:
                seen.add(one.mask)
                kept.append(one)
            if len(kept) == beam_size:
                break
        return kept

    def literal_mask(literal):
        return masks[:, literal // 2] ^ bool(literal % 2)

    literals = [2 * k + s for k in columns for s in (0, 1)]
    beam = best(entry(literal_mask(q), (q,), ()) for q in literals)
    steps = [beam]
    if num_literals is not None:
        worth = {k: abs(2 * fraction_auroc(signed, masks[:, k]) - 1) for k in columns}
        chosen = sorted(columns, key=lambda k: (-worth[k], k))[: num_literals // 2]
        literals = [q for q in literals if q // 2 in chosen]
    for _ in range(max_length - 1):
        pool = list(beam)
        for member in beam:
            mask = np.frombuffer(member.mask, bool)
            for q in literals:
                for operator, joined in (
                    (0, mask & literal_mask(q)),
                    (1, mask | literal_mask(q)),
                ):
                    pool.append(
                        entry(
                            joined,
                            (*member.literals, q),
                            (*member.operators, operator),
                        )
                    )
        beam = best(pool)
        steps.append(beam)
    return steps
