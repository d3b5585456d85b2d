"""The checks of the demo, on neurons that see one digit each."""

import dataclasses

import numpy as np
import pytest

from invert_jax import Activations, Concepts, Options, explain
from invert_jax.demo.digits import NUMERALS
from invert_jax.demo.self_check import (
    check_accuracy,
    check_own_digits,
    check_scores,
    check_shuffled,
)

pytest.importorskip("sklearn")

LABELS = np.tile(np.arange(10), 60)
CONCEPTS = Concepts.from_labels(LABELS, NUMERALS)
NOISE = np.random.default_rng(0).normal(size=(600, 10))
LOGITS = Activations((np.eye(10)[LABELS] + 0.3 * NOISE).astype(np.float32))


def explained(activations):
    return explain(
        activations, CONCEPTS, max_length=2, min_fraction=0.07, holdout=0.5, key=0,
        options=Options(progress=False),
    )  # fmt: skip


@pytest.fixture(scope="module")
def logits():
    return explained(LOGITS)


def test_the_accuracy_check_fails_below_97_percent():
    assert check_accuracy(0.97, 899).passed
    assert not check_accuracy(0.969, 899).passed
    assert "97.0% of 899 digits" in check_accuracy(0.97, 899).fact


def test_the_digit_check_counts_the_logits_that_have_their_own_digit(logits):
    assert check_own_digits(logits).value == 10
    assert check_own_digits(logits).passed


def test_the_digit_check_fails_if_two_logits_change_places(logits):
    check = check_own_digits(logits.take([1, 0, 2, 3, 4, 5, 6, 7, 8, 9]))
    assert check.value == 8
    assert not check.passed


def test_the_score_check_compares_every_formula_on_both_halves(logits):
    check = check_scores({"logits": logits}, {"logits": LOGITS}, CONCEPTS)
    num_scores = sum(
        int((~np.isnan(part.scores)).sum()) for part in (logits, logits.held_out)
    )
    assert check.passed
    assert check.fact.startswith(f"{num_scores} AUROCs")


@pytest.mark.parametrize("part", ["searched", "held_out"])
def test_the_score_check_fails_if_a_sum_is_off_by_one_rank(logits, part):
    if part == "searched":
        wrong = dataclasses.replace(logits, rank_sums=logits.rank_sums + 2)
    else:
        moved = logits.held_out.sums + 2
        held_out = dataclasses.replace(logits.held_out, sums=moved)
        wrong = dataclasses.replace(logits, held_out=held_out)
    check = check_scores({"logits": wrong}, {"logits": LOGITS}, CONCEPTS)
    assert check.value > 1e-6
    assert not check.passed


def test_the_check_of_shuffled_units_fails_if_they_are_labeled(logits):
    check = check_shuffled({"shuffled logits": logits}, alpha=0.05)
    assert check.value == 10
    assert not check.passed


def test_the_check_of_shuffled_units_counts_over_all_layers(logits):
    silent = explained(np.zeros((600, 10), np.float32))
    assert check_shuffled({"a": silent}, alpha=0.05).passed
    both = check_shuffled({"a": silent, "b": logits.take([0])}, alpha=0.1)
    assert both.passed
    assert "1 of 11 neurons" in both.fact
