"""Which compiled programs are kept, and for how long."""

import gc
import weakref

import jax
import numpy as np

import invert_jax as ij
from invert_jax.engine import programs
from tests.small_runs import QUIET


def test_programs_of_other_tables_are_let_go(monkeypatch):
    made = []
    original = programs._by_neuron

    def noted(*args, **settings):
        program = original(*args, **settings)
        made.append(weakref.ref(program))
        return program

    monkeypatch.setattr(programs, "_by_neuron", noted)
    programs.concept_sums_program.cache_clear()
    activations = np.arange(40.0)[:, None]
    num_tables = programs.KEPT + 4
    for num_concepts in range(1, num_tables + 1):
        masks = np.arange(40)[:, None] % np.arange(2, 2 + num_concepts) == 0
        ij.auroc(activations, masks, options=QUIET)
    gc.collect()
    jax.clear_caches()
    assert len(made) == num_tables
    assert sum(each() is not None for each in made) <= programs.KEPT


def test_a_program_is_made_once_for_tables_of_one_shape(rng):
    programs.concept_sums_program.cache_clear()
    for _ in range(3):
        ij.auroc(rng.normal(size=(40, 2)), rng.random((40, 3)) < 0.5, options=QUIET)
    assert programs.concept_sums_program.cache_info().misses == 1
