"""What to know of a label before it is believed."""

import numpy as np
from jaxtyping import Bool

from invert_jax.explanations.record import Record

AT_BOUND = "at_bound"
IDLE_LITERAL = "idle_literal"
RARER_CONCEPT = "rarer_concept"
MISSES_TOP = "misses_top"
# A support below so many times the smallest allowed lies at the bound.
NEAR_BOUND = 1.2
# A literal that is worth less than this on held-out samples says nothing.
LEAST_WORTH = 0.005
# Of the highest samples, one in twenty; ties make this an expectation.
FEW_HITS = 0.05


def notes_of(record: Record) -> tuple[tuple[str, ...], ...]:
    """The notes on the label of each neuron; see `Explanations.label_notes`."""
    notes: list[list[str]] = [[] for _ in range(len(record))]
    for position in np.flatnonzero(_is_at_bound(record)):
        notes[position].append(AT_BOUND)
    for position, place in np.argwhere(_is_idle(record)):
        literal = record.literals[position, -1, 0, place]
        name = record.concept_names[literal // 2]
        notes[position].append(f"{IDLE_LITERAL}: {'~' * (literal % 2)}{name}")
    if record.panel is not None:
        columns = record.panel.rarer_concepts[:, -1]
        for position in np.flatnonzero(columns >= 0):
            name = record.concept_names[columns[position]]
            notes[position].append(f"{RARER_CONCEPT}: {name}")
        for position in np.flatnonzero(
            record.panel["precision_at_top"] <= FEW_HITS + 1e-9
        ):
            notes[position].append(MISSES_TOP)
    return tuple(map(tuple, notes))


def _is_at_bound(record: Record) -> Bool[np.ndarray, " neurons"]:
    smallest, _ = record.settings.bounds(record.num_samples)
    return record.has_formula & (record.num_positives[:, 0] < NEAR_BOUND * smallest)


def _is_idle(record: Record) -> Bool[np.ndarray, "neurons length"]:
    """Which literals add next to nothing on the held-out samples."""
    held_out = record.held_out
    if held_out is None:
        return np.zeros((len(record), record.max_length), bool)
    worth = held_out.scores[:, :1] - held_out.scores_without
    return (-worth if record.settings.sign == "negative" else worth) < LEAST_WORTH
