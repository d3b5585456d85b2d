"""A record as columns, and back: a table of its neurons, and one of its formulas.

Results on disk and labels to share are these two tables with a description, as Parquet
and as JSON. What is exact stays exact: sums and supports are whole numbers, from which
the scores follow.
"""

import dataclasses
import importlib.metadata
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int

from invert_jax import version
from invert_jax.checks import check_share, check_text, check_whole
from invert_jax.core.exact import MAX_SAMPLES
from invert_jax.core.search.beam import PAD
from invert_jax.core.statistics.tie_patterns import NUM_GROUPS
from invert_jax.explanations import held_out, significance
from invert_jax.explanations.held_out import HeldOut
from invert_jax.explanations.panel import METRICS, Panel
from invert_jax.explanations.record import Record
from invert_jax.explanations.significance import Significance
from invert_jax.settings import SearchSettings

HELD_OUT, PANEL = "held_out_", "panel_"
DIFFERENCES = f"{HELD_OUT}differences"
RARER, LABEL_LENGTH = f"{PANEL}rarer_concepts", "label_length"
# What a panel is besides its arrays.
OF_PANEL = ("precision_at", "num_samples", "is_held_out")
# What a null is besides its arrays.
OF_NULL = ("alpha", "num_draws", "num_neurons")
VERSIONS = ("jax", "flax", "numpy")
Columns = Mapping[str, Any]
# Literals for which room is made unasked, and empty places for a formula beyond it.
MOST_ROOM, MOST_EMPTY = 1 << 26, 1 << 12


def description_of(record: Record) -> dict[str, Any]:
    """All that is neither of a neuron nor of a formula, as JSON takes it."""
    null, panel = record.significance, record.panel
    return {
        "layer": record.layer,
        "score": record.score_name,
        "num_neurons": record.num_neurons,
        "num_samples": record.num_samples,
        "settings": dataclasses.asdict(record.settings),
        "concept_names": record.concept_names,
        "synonyms": record.synonyms,
        "left_out": record.left_out,
        "sources": record.sources,
        "panel": panel and {name: getattr(panel, name) for name in OF_PANEL},
        "null": null and {name: getattr(null, name) for name in OF_NULL},
        "has_label_lengths": record.label_lengths is not None,
        "versions": {name: importlib.metadata.version(name) for name in VERSIONS}
        | {"invert_jax": version.VERSION},
    }


def neuron_columns(record: Record) -> dict[str, np.ndarray]:
    """One row per neuron."""
    columns = {
        "neuron": record.neurons,
        "name": np.array(record.neuron_names, object),
        "status": record.status.astype(object),
        "is_constant": record.is_constant,
        "tie_sum": record.tie_sums,
        "tie_groups": _lists(
            record.tie_groups.reshape(len(record), 2 * record.tie_groups.shape[1]),
            2 * (record.tie_groups[:, :, 1] > 0).sum(1),
        ),
    }
    for prefix, part, names in (
        ("", record.significance, significance.ARRAYS),
        (HELD_OUT, record.held_out, held_out.OF_NEURONS),
    ):
        if part is not None:
            columns |= {f"{prefix}{name}": getattr(part, name) for name in names}
    if record.panel is not None:
        columns |= {f"{PANEL}{name}": record.panel.by_length(name) for name in METRICS}
        columns[RARER] = record.panel.rarer_concepts
    if record.label_lengths is not None:
        columns[LABEL_LENGTH] = record.label_lengths
    return columns


def formula_columns(record: Record) -> dict[str, np.ndarray]:
    """One row per formula of the beam after each step of the search.

    After `simplest` there is one step more, of the formulas that are shown.
    """
    slots = np.nonzero(record.lengths > 0)
    position, step, rank = slots
    places = zip(position.tolist(), rank.tolist(), step.tolist(), strict=True)
    columns = {
        "position": position,
        "neuron": record.neurons[position],
        "step": step + 1,
        "rank": rank,
        "formula": np.array([str(record.formula(*at)) for at in places], object),
        "literals": _lists(record.literals[slots], record.lengths[slots]),
        "operators": record.operators[slots],
        "num_positives": record.supports[slots],
        "sum": record.rank_sums[slots],
    }
    if record.held_out is not None:
        for name in held_out.OF_SLOTS:
            columns[f"{HELD_OUT}{name}"] = getattr(record.held_out, name)[slots]
        columns[DIFFERENCES] = record.held_out.differences[slots]
    return columns


def _lists(rows: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The first numbers of each row, as a list in an array of objects."""
    lists = np.empty(len(rows), object)
    lists[:] = [
        row[:length].tolist() for row, length in zip(rows, lengths, strict=True)
    ]
    return lists


def fields_of(
    description: Mapping[str, Any],
    neurons: Columns,
    formulas: Columns,
    samples: Sequence[int] | np.ndarray | None,
    held_out_samples: Sequence[int] | np.ndarray | None,
) -> dict[str, Any]:
    """The fields of the record again.

    Args:
        description: From `description_of`.
        neurons: From `neuron_columns`; as lists.
        formulas: From `formula_columns`; as lists.
        samples: Those that counted; None for all.
        held_out_samples: Those held out; None for none.

    Raises:
        KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError: What
            is given is not what was made.
    """
    settings = _settings_of(description["settings"])
    names = tuple(description["concept_names"])
    if len(set(names)) < len(names) or not all(isinstance(n, str) for n in names):
        raise ValueError("`concept_names` must be texts, each once")
    texts = (description["layer"], *neurons["name"])
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a layer or a neuron has a name that is no text")
    check_text("names", (*names, *texts))
    check_whole("num_samples", description["num_samples"], 1, MAX_SAMPLES)
    num_neurons = len(neurons["neuron"])
    if num_neurons != description["num_neurons"]:
        raise ValueError(f"it has {num_neurons} neurons, not as many as it says")
    has_labels = description["has_label_lengths"]
    if not isinstance(has_labels, bool):
        raise TypeError("it does not say whether it has lengths of labels")
    shape = (num_neurons, settings.max_length + has_labels, settings.beam_size)
    _check_room(shape, len(formulas["position"]))
    slots = _slots_of(formulas)
    fields: dict[str, Any] = {}
    fields |= _formula_arrays(formulas, len(names), slots, shape, settings.max_length)
    fields |= {
        "rank_sums": _filled(formulas["sum"], np.int64, slots, shape),
        "supports": _filled(formulas["num_positives"], np.int64, slots, shape),
        "neurons": np.array(neurons["neuron"], np.int64),
        "neuron_names": tuple(neurons["name"]),
        "tie_sums": np.array(neurons["tie_sum"], np.float64),
        "is_constant": np.array(neurons["is_constant"], bool),
        "tie_groups": _padded_groups(neurons["tie_groups"]),
        "concept_names": names,
        "num_samples": int(description["num_samples"]),
        "settings": settings,
        "synonyms": {k: tuple(v) for k, v in description["synonyms"].items()},
        "left_out": tuple(description["left_out"]),
        "layer": description["layer"],
        "sources": dict(description["sources"].items()),
        "samples": None if samples is None else np.array(samples, np.int64),
    }
    if has_labels:
        fields["label_lengths"] = _label_lengths_of(neurons, settings.max_length)
    if description["panel"] is not None:
        fields["panel"] = _panel_of(
            neurons, num_steps=shape[1], num_concepts=len(names), **description["panel"]
        )
    _check_sense(fields)
    if description["null"] is not None:
        fields["significance"] = _significance_of(
            neurons, num_steps=shape[1], **description["null"]
        )
    if held_out_samples is not None:
        fields["held_out"] = _held_out_of(
            np.array(held_out_samples, np.int64), neurons, formulas, slots, shape,
            settings,
        )  # fmt: skip
    return fields


def _check_room(shape: tuple[int, int, int], num_formulas: int) -> None:
    """Refuse to make room for far more formulas than there are."""
    room = math.prod(shape) * shape[1]
    if room > MOST_ROOM and math.prod(shape) > MOST_EMPTY * max(num_formulas, 1):
        raise ValueError(
            f"it asks for room for {math.prod(shape):,} formulas and has {num_formulas}"
        )


def _check_sense(fields: Mapping[str, Any]) -> None:
    """Refuse numbers that no search gives."""
    num_samples, filled = fields["num_samples"], fields["lengths"] > 0
    supports, sums = fields["supports"][filled], fields["rank_sums"][filled]
    if ((supports < 1) | (supports >= num_samples)).any():
        raise ValueError(f"a formula holds on none or all of {num_samples} samples")
    if (np.abs(sums) > supports * (num_samples - supports)).any():
        raise ValueError("a formula has a score that is not in [0, 1]")
    groups = fields["tie_groups"]
    if (groups < 0).any() or (groups.sum(-1) > num_samples).any():
        raise ValueError("a neuron has more ties than there are samples")
    samples = fields["samples"]
    if samples is not None and (
        len(np.unique(samples)) != num_samples or samples.min() < 0
    ):
        raise ValueError(f"its samples are not {num_samples} different ones")
    known = set(fields["concept_names"])
    named = {*fields["left_out"], *fields["synonyms"]}.union(
        *fields["synonyms"].values()
    )
    if not named <= known:
        raise ValueError("it leaves out, or has a synonym for, no concept of its own")


def _settings_of(settings: Mapping[str, Any]) -> SearchSettings:
    """The settings, all of which must be there."""
    names = {field.name for field in dataclasses.fields(SearchSettings)}
    if set(settings) != names:
        raise KeyError(*sorted(names ^ set(settings)))
    return SearchSettings(**settings)


def _slots_of(formulas: Columns) -> tuple[Int[np.ndarray, " formulas"], ...]:
    """Where in the arrays each formula belongs: neuron, step and rank."""
    position, step, rank = (
        np.array(formulas[name], np.int64) for name in ("position", "step", "rank")
    )
    slots = (position, step - 1, rank)
    if any(index.min(initial=0) < 0 for index in slots):
        raise ValueError("a formula has no place: an index is negative")
    return slots


def _filled(
    column: Any, dtype: type, slots: tuple, shape: tuple[int, int, int]
) -> np.ndarray:
    """An array of all slots; those without a formula have 0, or nan."""
    empty = np.nan if dtype is np.float64 else 0
    array: np.ndarray = np.full(shape, empty, dtype)
    array[slots] = np.array(column, dtype)
    return array


def _formula_arrays(
    formulas: Columns,
    num_concepts: int,
    slots: tuple,
    shape: tuple[int, int, int],
    max_length: int,
) -> dict[str, np.ndarray]:
    """The formulas as numbers."""
    sizes = np.array([len(row) for row in formulas["literals"]], np.int64)
    flat = np.array([each for row in formulas["literals"] for each in row], np.int64)
    if len(flat) and not 0 <= flat.min() <= flat.max() < 2 * num_concepts:
        raise ValueError("a formula uses a concept that has no name")
    row = np.repeat(np.arange(len(sizes)), sizes)
    place = np.arange(len(flat)) - np.repeat(sizes.cumsum() - sizes, sizes)
    literals = np.full((*shape, max_length), PAD, np.int32)
    literals[slots[0][row], slots[1][row], slots[2][row], place] = flat
    return {
        "literals": literals,
        "operators": _filled(formulas["operators"], np.int32, slots, shape),
        "lengths": _filled(sizes, np.int32, slots, shape),
    }


def _padded_groups(column: Sequence) -> Int[np.ndarray, "neurons groups 2"]:
    """Tie groups of each neuron: samples below, samples in it; then zeros."""
    groups = [np.reshape(np.array(each, np.int64), (-1, 2)) for each in column]
    padded = np.zeros((len(groups), NUM_GROUPS, 2), np.int64)
    for row, of_neuron in zip(padded, groups, strict=True):
        row[: len(of_neuron)] = of_neuron
    return padded


def _significance_of(
    neurons: Columns, *, num_steps: int, alpha: float, num_draws: int, num_neurons: int
) -> Significance:
    check_share("alpha", alpha)
    check_whole("num_draws", num_draws, 1)
    check_whole("num_neurons", num_neurons, len(neurons["neuron"]))
    inner = {"log10_extrapolated": (3,)}
    arrays = {
        name: np.array(list(neurons[name]), np.float64).reshape(
            -1, num_steps, *inner.get(name, ())
        )
        for name in significance.ARRAYS
    }
    return Significance(
        **arrays, alpha=alpha, num_draws=num_draws, num_neurons=num_neurons
    )


def _label_lengths_of(neurons: Columns, max_length: int) -> Int[np.ndarray, " neurons"]:
    lengths = np.array(neurons[LABEL_LENGTH], np.int64)
    if ((lengths < 1) | (lengths > max_length)).any():
        raise ValueError("a label is of a length that was not searched")
    return lengths


def _panel_of(
    neurons: Columns,
    *,
    num_steps: int,
    num_concepts: int,
    precision_at: int,
    num_samples: int,
    is_held_out: bool,
) -> Panel:
    check_whole("precision_at", precision_at, 1)
    check_whole("num_samples", num_samples, 1, MAX_SAMPLES)
    values = [
        np.array(list(neurons[f"{PANEL}{name}"]), np.float64).reshape(-1, num_steps)
        for name in METRICS
    ]
    rarer = np.array(list(neurons[RARER]), np.int64).reshape(-1, num_steps)
    if ((rarer < -1) | (rarer >= num_concepts)).any():
        raise ValueError("a rarer concept has no name")
    return Panel(
        np.stack(values, -1), rarer, precision_at, num_samples, bool(is_held_out)
    )


def _held_out_of(
    samples: Int[np.ndarray, " reported"],
    neurons: Columns,
    formulas: Columns,
    slots: tuple,
    shape: tuple[int, int, int],
    settings: SearchSettings,
) -> HeldOut:
    floats = ("variances", "tie_sums")
    dtypes = {name: np.float64 if name in floats else np.int64 for name in _all_names()}
    arrays = {
        name: _filled(formulas[f"{HELD_OUT}{name}"], dtypes[name], slots, shape)
        for name in held_out.OF_SLOTS
    }
    rows = np.array(list(formulas[DIFFERENCES]), np.float64).reshape(-1, shape[1])
    differences = np.full((*shape, shape[1]), np.nan)
    differences[slots] = rows
    lengths = (shape[1], settings.max_length)
    inner = {name: lengths for name in held_out.OF_STEPS}
    for name in held_out.OF_NEURONS:
        column = np.array(list(neurons[f"{HELD_OUT}{name}"]), dtypes[name])
        arrays[name] = column.reshape(shape[0], *inner.get(name, ()))
    return HeldOut(samples, **arrays, differences=differences, sign=settings.sign)


def _all_names() -> tuple[str, ...]:
    return (*held_out.OF_SLOTS, *held_out.OF_NEURONS)
