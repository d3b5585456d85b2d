"""Which compiled programs are kept, and for how long."""

import gc
import weakref

import jax
import numpy as np
import pytest

import invert_jax as ij
from invert_jax.concepts.table import Concepts
from invert_jax.engine import blocks, programs
from tests.small_runs import QUIET


def test_programs_of_other_tables_are_let_go(monkeypatch, rng):
    made = []
    original = programs._over_devices

    def noted(*args, **settings):
        program = original(*args, **settings)
        made.append(weakref.ref(program))
        return program

    monkeypatch.setattr(programs, "_over_devices", noted)
    programs.concept_sums_program.cache_clear()
    activations = np.arange(40.0)[:, None]
    num_tables = programs.KEPT + 4
    for table in range(num_tables):
        masks = rng.random((40, 272 + 16 * table)) < 0.5
        ij.auroc(activations, masks, options=QUIET)
    gc.collect()
    assert len(made) == num_tables
    assert sum(each() is not None for each in made) <= programs.KEPT


def test_a_program_is_made_once_for_tables_of_one_shape(rng):
    programs.concept_sums_program.cache_clear()
    for _ in range(3):
        ij.auroc(rng.normal(size=(40, 2)), rng.random((40, 3)) < 0.5, options=QUIET)
    assert programs.concept_sums_program.cache_info().misses == 1


def explain_and_draw(rng, *, num_samples, num_concepts):
    """Layers of any size with a hold-out, and the null."""
    masks = rng.random((num_samples, num_concepts)) < 0.3
    concepts = Concepts.from_masks(masks, map(str, range(num_concepts)))
    layers = {
        str(size): rng.normal(size=(num_samples, size)).astype(np.float32)
        for size in (16, 20, 64, 65, 130, 256)
    }
    labels = ij.explain(
        layers,
        concepts,
        max_length=2,
        min_fraction=0.2,
        holdout=0.5,
        key=0,
        options=QUIET,
    )
    ij.null_distribution(concepts, labels, num_draws=100, key=0, options=QUIET)


@pytest.fixture
def compiled():
    """The names of the programs that are compiled from now on."""
    programs.search_program.cache_clear()
    names = []

    def note(event: str, duration_secs: float, **told: str | int) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            names.append(str(told["fun_name"]))

    jax.monitoring.register_event_duration_secs_listener(note)
    yield names
    jax.monitoring.unregister_event_duration_listener(note)


@pytest.mark.parametrize(("num_samples", "num_concepts"), [(240, 20), (2000, 200)])
def test_a_session_compiles_one_search_for_each_table(
    rng, compiled, num_samples, num_concepts
):
    """Whatever the layers, the hold-out and the draws, and one for a larger table."""
    explain_and_draw(rng, num_samples=num_samples, num_concepts=num_concepts)
    explain_and_draw(
        rng, num_samples=num_samples * 6 // 5, num_concepts=num_concepts * 6 // 5
    )
    is_small = num_samples * num_concepts < 10_000
    assert compiled.count("jit(search)") == (1 if is_small else 2)
    assert not {"jit(rank_rows)", "jit(concept_sums)"} & set(compiled)


def test_layers_that_take_long_share_few_sizes_of_blocks(rng, compiled, monkeypatch):
    monkeypatch.setattr(blocks, "LARGE_SEARCH", 0)
    explain_and_draw(rng, num_samples=240, num_concepts=20)
    # Of 4 neurons for the layers of 20, 65 and 130, of 16 and of 64 for the others;
    # the null's are of 100.
    assert compiled.count("jit(search)") <= 4
