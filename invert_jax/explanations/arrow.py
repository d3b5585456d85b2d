"""Explanations as Arrow tables: one row per neuron, or per formula."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from invert_jax.explanations.held_out import HeldOut
from invert_jax.explanations.label_notes import notes_of
from invert_jax.explanations.panel import METRICS, Panel
from invert_jax.explanations.record import Record


def to_arrow(explanations: Record, *, all_ranks: bool = False) -> pa.Table:
    """One row per neuron (its best formula), or one per neuron and filled rank.

    Columns: neuron (its index), name, status, formula, score, fraction, num_positives,
    num_literals, log10_p; with `all_ranks` also rank; after `with_null` also p_search,
    q_value, and the extrapolated p-value with its bounds; with held-out samples what
    they say, also of the best formula without its n-th literal and of the best of at
    most n literals; with a panel its metrics, as held_out_... where they are; after
    `simplest` the longest formula where the label is another; label_notes, separated
    by "; ". No formula gives nulls.
    """
    if all_ranks:
        neuron, rank = np.nonzero(explanations.lengths[:, -1] > 0)
    else:
        neuron = np.arange(explanations.num_neurons)
        rank = np.zeros_like(neuron)
    at = (neuron, rank)
    empty = explanations.lengths[:, -1][at] == 0
    places = zip(neuron.tolist(), rank.tolist(), strict=True)
    formulas = [explanations.formula(*place) for place in places]
    columns = {
        "neuron": pa.array(explanations.neurons[neuron]),
        "name": pa.array([explanations.neuron_names[each] for each in neuron]),
        "rank": pa.array(rank),
        "status": pa.array(explanations.status[neuron]),
        "formula": pa.array(
            [None if each is None else str(each) for each in formulas], pa.string()
        ),
        "score": pa.array(explanations.scores[at], mask=empty),
        "fraction": pa.array(explanations.fractions[at], mask=empty),
        "num_positives": pa.array(explanations.num_positives[at], mask=empty),
        "num_literals": pa.array(explanations.lengths[:, -1][at], mask=empty),
        "log10_p": pa.array(explanations.log10_p[at], mask=empty),
    }
    if not all_ranks:
        del columns["rank"]
    if explanations.significance is not None:
        columns |= _significance_columns(explanations, at)
    if explanations.held_out is not None:
        columns |= _held_out_columns(explanations, explanations.held_out, at)
    if explanations.panel is not None:
        columns |= _panel_columns(explanations.panel, at)
    if explanations.label_lengths is not None:
        columns["longest_formula"] = _longest_column(explanations, at)
    columns["label_notes"] = _notes_column(explanations, at)
    return pa.table(columns)


def _panel_columns(
    panel: Panel, at: tuple[np.ndarray, np.ndarray]
) -> dict[str, pa.Array]:
    """The metrics of the label of each neuron; null at other ranks."""
    prefix = "held_out_" if panel.is_held_out else ""
    return {
        prefix + name.replace("at_top", f"at_{panel.precision_at}"): _of_labels(
            panel[name], at
        )
        for name in METRICS
        if name != "auroc"
    }


def _notes_column(explanations: Record, at: tuple[np.ndarray, np.ndarray]) -> pa.Array:
    """The notes on the label of each neuron; null for none, and at other ranks."""
    return _texts_of_labels(
        ["; ".join(each) or None for each in notes_of(explanations)], at
    )


def _longest_column(
    explanations: Record, at: tuple[np.ndarray, np.ndarray]
) -> pa.Array:
    """The formulas that shorter labels were taken for; null at other ranks."""
    longest = map(explanations.longest, range(len(explanations)))
    return _texts_of_labels(
        [None if each is None else str(each) for each in longest], at
    )


def _texts_of_labels(
    texts: Sequence[str | None], at: tuple[np.ndarray, np.ndarray]
) -> pa.Array:
    """A text of each label; null where there is none, and at other ranks."""
    places = zip(*(each.tolist() for each in at), strict=True)
    found = [texts[neuron] if rank == 0 else None for neuron, rank in places]
    return pa.array(found, pa.string())


def _of_labels(
    values: Float[np.ndarray, " neurons"], at: tuple[np.ndarray, np.ndarray]
) -> pa.Array:
    """A number of each label; null where there is none, and at other ranks."""
    neuron, rank = at
    found = np.where(rank == 0, values[neuron], np.nan)
    return pa.array(found, mask=np.isnan(found))


def _significance_columns(
    explanations: Record, at: tuple[np.ndarray, np.ndarray]
) -> dict[str, pa.Array]:
    """What the null says of the best formula of each neuron; null at other ranks."""
    values = {
        "p_search": explanations.p_search,
        "q_value": explanations.q_value,
    }
    names = ("", "_low", "_high")
    for name, bound in zip(names, explanations.log10_p_extrapolated.T, strict=True):
        values[f"log10_p_extrapolated{name}"] = bound
    return {name: _of_labels(value, at) for name, value in values.items()}


def _held_out_columns(
    explanations: Record, held_out: HeldOut, at: tuple[np.ndarray, np.ndarray]
) -> dict[str, pa.Array]:
    """What the held-out samples say of the formulas at (neuron, rank)."""
    low, high = np.moveaxis(held_out.intervals[at], -1, 0)
    values = {
        "score": held_out.scores[at],
        "low": low,
        "high": high,
        "log10_p": held_out.log10_p[at],
        "log10_p_one_sided": held_out.log10_p_one_sided[at],
        "optimism": explanations.optimism[at],
    }
    empty = explanations.lengths[:, -1][at] == 0
    columns = {
        f"held_out_{name}": pa.array(value, mask=np.isnan(value))
        for name, value in values.items()
    }
    columns["held_out_num_positives"] = pa.array(held_out.num_positives[at], mask=empty)
    columns["is_alternative"] = pa.array(held_out.is_alternative[at], mask=empty)
    # Of the best formula only: the score of what is left without its n-th literal, and
    # of the best of at most n.
    for name, scores in (
        ("without", held_out.scores_without),
        ("at", held_out.scores_by_length),
    ):
        for place, value in enumerate(scores.T, 1):
            columns[f"held_out_score_{name}_{place}"] = _of_labels(value, at)
    notes = np.where((at[1] == 0) & ~empty, held_out.notes[at[0]], "")
    return columns | {"held_out_note": pa.array(notes, mask=notes == "")}


def table_of(columns: Mapping[str, np.ndarray]) -> pa.Table:
    """Columns as an Arrow table; those of several axes are lists of numbers.

    >>> table_of({"name": np.array(["a"], object), "pair": np.ones((1, 2))}).to_pydict()
    {'name': ['a'], 'pair': [[1.0, 1.0]]}
    """
    return pa.table({name: _arrow(column) for name, column in columns.items()})


def _arrow(column: np.ndarray) -> pa.Array:
    if column.dtype == object:
        are_lists = len(column) > 0 and isinstance(column[0], list)
        kind = pa.list_(pa.int64()) if are_lists else pa.string()
        return pa.array(column.tolist(), kind)
    if column.ndim == 1:
        return pa.array(column)
    rows = column.reshape(len(column), math.prod(column.shape[1:]))
    return pa.array(list(rows), pa.list_(pa.from_numpy_dtype(column.dtype)))


def columns_of(table: pa.Table) -> dict[str, np.ndarray | list]:
    """The columns of an Arrow table, numbers as arrays and all else as lists."""
    return {
        name: column.to_pylist()
        if pa.types.is_nested(column.type) or pa.types.is_string(column.type)
        else column.to_numpy()
        for name, column in zip(table.column_names, table.columns, strict=True)
    }
