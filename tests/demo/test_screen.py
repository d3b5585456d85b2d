"""What the demo says."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from invert_jax import Concepts, Options, explain
from invert_jax.demo.screen import (
    NUM_SHOWN,
    best_first,
    show_checks,
    show_labels,
    show_next,
)
from invert_jax.demo.self_check import Check

NUM_NEURONS = 12
LABELS = np.tile(np.arange(3), 200)


@pytest.fixture(scope="module")
def layer():
    """Neurons that see the cat, the later the less noise; the first is constant."""
    noise = np.random.default_rng(0).normal(size=(600, NUM_NEURONS))
    values = (LABELS == 0)[:, None] + noise / np.sqrt(1 + np.arange(NUM_NEURONS))
    values[:, 0] = 1.0
    return explain(
        values.astype(np.float32), Concepts.from_labels(LABELS, ["cat", "dog", "fish"]),
        max_length=1, min_fraction=0.1, holdout=0.5, key=0,
        options=Options(progress=False),
    )  # fmt: skip


@pytest.fixture
def console():
    return Console(width=100, record=True, quiet=False)


def test_the_best_on_new_samples_come_first_and_those_without_a_formula_last(layer):
    order = best_first(layer)
    scores = layer.held_out.scores[order, 0]
    assert sorted(order.tolist()) == list(range(NUM_NEURONS))
    assert order[-1] == 0
    assert (np.diff(scores[:-1]) <= 0).all()
    assert scores[0] > scores[-2]


def test_without_held_out_samples_the_scores_of_the_search_decide(layer):
    alone = dataclasses.replace(layer, held_out=None)
    scores = layer.scores[best_first(alone), 0]
    assert (np.diff(scores[:-1]) <= 0).all()


def test_a_formula_without_a_held_out_score_is_behind_those_with_one(layer):
    best = best_first(layer)[0]
    sums, supports = layer.held_out.sums.copy(), layer.held_out.supports.copy()
    sums[best] = supports[best] = 0
    held_out = dataclasses.replace(layer.held_out, sums=sums, supports=supports)
    order = best_first(dataclasses.replace(layer, held_out=held_out))
    assert order[-2] == best


def test_the_best_of_a_layer_are_shown_with_the_legend(layer, console):
    show_labels(console, {"edges": layer.take([1]), "hidden": layer}, alpha=0.05)
    text = console.export_text()
    assert f"hidden: the best {NUM_SHOWN} of {NUM_NEURONS} neurons" in text
    assert text.index("hidden: the best") < text.index("edges: the best 1 of 1 neurons")
    best = best_first(layer)[0]
    assert f"{layer.held_out.scores[best, 0]:.4f}" in text
    words = " ".join(text.split())
    assert "above 0.05 the status is chance" in words
    assert f"neuron {best} of hidden, in files and in Python cat, is higher" in words
    assert f"in {layer.scores[best, 0]:.1%} of all pairs" in words


def test_passed_and_failed_checks_are_marked(console):
    show_checks(console, [Check("sky is blue", 1, True), Check("red grass", 0, False)])
    text = console.export_text()
    assert "✓ sky is blue" in text
    assert "✗ red grass" in text


def test_commands_can_be_copied_whatever_the_folder_is_called(console):
    show_next(console, Path("my demo"), min_fraction=0.05)
    text = console.export_text()
    assert "invert-jax explain 'my demo'/activations.npz 'my demo'/concepts.npz" in text
    assert '"my demo/explanations/hidden"' in text
    assert "--min-fraction 0.05 " in text
