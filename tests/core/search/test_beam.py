"""The order of formulas and the choice of one per support, against Python's sort."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from invert_jax.core import exact
from invert_jax.core.objectives.auroc import AUROC
from invert_jax.core.search import beam as beam_module
from invert_jax.core.search import order
from invert_jax.core.search.beam import NUM_OTHERS, PAD, Beam, Formulas, table_of
from invert_jax.core.search.order import comes_after, extensions_order
from tests.core.search_problems import wide

NUM_SAMPLES, MAX_LENGTH = 40, 3
merge = jax.jit(partial(order.merge, objective=AUROC, num_samples=NUM_SAMPLES))


def beam_of(formulas, size):
    """A beam of (literals, operators, sum, num_positives, support) and empty slots."""
    numbers = jnp.zeros((size, MAX_LENGTH + NUM_OTHERS), jnp.int32)
    words = jnp.zeros((size, 1, 2), jnp.uint32)
    if formulas:
        literals = [(*f[0], *[PAD] * (MAX_LENGTH - len(f[0]))) for f in formulas]
        operators = [int("".join(map(str, (0, *f[1]))), 2) for f in formulas]
        filled = Formulas(
            literals=jnp.array(literals, jnp.int32),
            operators=jnp.array(operators, jnp.int32),
            lengths=jnp.array([len(f[0]) for f in formulas], jnp.int32),
            sums=wide([f[2] for f in formulas]),
            num_positives=jnp.array([f[3] for f in formulas], jnp.int32),
        )
        numbers = numbers.at[: len(formulas)].set(table_of(filled))
        supports = jnp.array([[[f[4], 7]] for f in formulas], jnp.uint32)
        words = words.at[: len(formulas)].set(supports)
    return Beam(jnp.expand_dims(numbers, 0), jnp.expand_dims(words, 0))


def formulas_in(beam):
    """The inverse of `beam_of`, up to empty slots."""
    formulas = []
    found = beam_module.formulas_of(np.asarray(beam.numbers[0]))
    for i in range(len(found.lengths)):
        length = int(found.lengths[i])
        if int(found.num_positives[i]) > 0:
            bits = int(found.operators[i])
            formulas.append(
                (
                    tuple(found.literals[i, :length].tolist()),
                    tuple(bits >> (length - 2 - k) & 1 for k in range(length - 1)),
                    int(exact.to_int64(found.sums)[i]),
                    int(found.num_positives[i]),
                    int(beam.words[0, i, 0, 0]),
                )
            )
    return formulas


def order_key(formula):
    """Score, fewer literals, larger support, canonical order."""
    literals, operators, total, count, _ = formula
    score = total / (count * (NUM_SAMPLES - count))
    return (-score, len(literals), -count, literals, operators)


def random_formulas(rng, count):
    """Few scores, literals and supports, so that everything ties with something."""
    formulas = []
    for _ in range(count):
        length = int(rng.integers(1, MAX_LENGTH + 1))
        positives = int(rng.choice([8, 20, 32]))
        pairs = positives * (NUM_SAMPLES - positives)
        formulas.append(
            (
                tuple(int(q) for q in rng.integers(0, 4, length)),
                tuple(int(o) for o in rng.integers(0, 2, length - 1)),
                int(rng.choice([-1, 0, 1, 2])) * pairs // 4,
                positives,
                int(rng.integers(0, 9)),
            )
        )
    return formulas


def test_ties_are_broken_rule_by_rule():
    """Each formula loses to the one before it by the rule named beside it."""
    formulas = [
        ((6, 7), (1,), 8, 20, 0),
        ((9,), (), 4, 20, 1),  # lower score
        ((4, 5), (1,), 4, 20, 2),  # more literals
        ((0, 1), (0,), 3, 10, 3),  # smaller support: 3 / 300 = 4 / 400
        ((0, 2), (0,), 3, 10, 4),  # later second literal
        ((0, 2), (1,), 3, 10, 5),  # OR after AND
        ((1, 0), (0,), 3, 10, 6),  # negated after plain
    ]
    shuffled = [formulas[i] for i in (5, 2, 6, 0, 3, 1, 4)]
    found = merge(beam_of([], 7), beam_of(shuffled, 7))
    assert formulas_in(found) == formulas


@pytest.mark.parametrize("seed", range(10))
def test_merging_keeps_the_first_of_each_support_in_the_exact_order(seed):
    rng = np.random.default_rng(seed)
    kept = random_formulas(rng, int(rng.integers(0, 6)))
    candidates = random_formulas(rng, int(rng.integers(0, 17)))
    first: dict[int, tuple] = {}
    for formula in sorted(kept + candidates, key=order_key):
        first.setdefault(formula[4], formula)
    found = merge(beam_of(kept, 5), beam_of(candidates, 16))
    assert formulas_in(found) == list(first.values())[:5]


def test_slots_that_stay_empty_are_last_and_blank():
    one = ((3,), (), 5, 8, 1)
    found = merge(beam_of([], 5), beam_of([one, one], 16))
    assert formulas_in(found) == [one]
    assert not found.numbers[0, 1:].any()


def test_neurons_are_merged_each_by_itself(rng):
    kept, candidates = ([random_formulas(rng, 6) for _ in range(4)] for _ in range(2))
    beams = [[beam_of(one, 6) for one in each] for each in (kept, candidates)]
    together = merge(*(jax.tree.map(lambda *x: jnp.concatenate(x), *b) for b in beams))
    for neuron, (one, other) in enumerate(zip(*beams, strict=True)):
        alone = merge(one, other)
        np.testing.assert_array_equal(together.numbers[neuron], alone.numbers[0])


def test_supports_that_differ_in_any_word_are_kept_apart():
    one, other = beam_of([((3,), (), 5, 8, 1), ((5,), (), 5, 8, 1)], 2), beam_of([], 5)
    words = one.words.at[0, 1, 0, 1].set(6)
    assert len(formulas_in(merge(other, one))) == 1
    assert len(formulas_in(merge(other, one._replace(words=words)))) == 2


def all_formulas(length, num_literals=4):
    """Every formula of a length, without sum, count or support."""
    for literals in itertools.product(range(num_literals), repeat=length):
        for operators in itertools.product((0, 1), repeat=length - 1):
            yield literals, operators, 0, 20, 0


@pytest.mark.parametrize("length", [1, 2])
def test_extensions_come_after_a_formula_where_the_canonical_order_says_so(rng, length):
    """All extensions of some members against formulas of each length."""
    formulas = list(all_formulas(length))
    chosen = rng.permutation(len(formulas))[:4]
    members = beam_of([formulas[i] for i in chosen], 4).formulas
    others = [f for n in (1, 2, 3) for f in all_formulas(n)]
    others = [others[i] for i in rng.permutation(len(others))[:30]]
    extended = [
        (formulas[i][0] + (q,), formulas[i][1] + (o,))
        for i in chosen
        for q in range(4)
        for o in (0, 1)
    ]
    literal, operator = jnp.arange(4), jnp.arange(2)
    for other in others:
        single = beam_of([other], 1).formulas
        by_member, last = extensions_order(members, single)
        found = comes_after(
            by_member.reshape(4, 1, 1),
            literal.reshape(1, 4, 1),
            2 * members.operators.reshape(4, 1, 1) + operator.reshape(1, 1, 2),
            last=last[0, 0],
            other_operators=single.operators[0, 0],
        )
        key = len(other[0]), other[0], other[1]
        wanted = [(len(a), a, b) > key for a, b in extended]
        assert np.ravel(found).tolist() == wanted


def test_extensions_of_the_empty_formula_are_ordered_by_their_literal():
    root, other = (beam_of(some, 1).formulas for some in ([], [((2,), (), 0, 20, 0)]))
    by_member, last = extensions_order(root, other)
    assert (by_member.tolist(), last.tolist()) == ([[0]], [[2]])
