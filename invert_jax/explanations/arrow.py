"""Explanations as Arrow tables: one row per neuron, or per formula."""

import math
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from invert_jax.explanations.held_out import HeldOut
from invert_jax.explanations.record import Record


def to_arrow(explanations: Record, *, all_ranks: bool = False) -> pa.Table:
    """One row per neuron (its best formula), or one per neuron and filled rank.

    Columns: neuron (its index), name, status, formula, score, fraction, num_positives,
    num_literals, log10_p; with `all_ranks` also rank; after `with_null` also p_search,
    q_value, and the extrapolated p-value with its bounds; with held-out samples what
    they say, also of the best formula without its n-th literal. No formula gives nulls.
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
        columns |= _significance_columns(explanations, neuron, rank)
    if explanations.held_out is not None:
        columns |= _held_out_columns(explanations, explanations.held_out, at)
    return pa.table(columns)


def _significance_columns(
    explanations: Record, neuron: np.ndarray, rank: np.ndarray
) -> dict[str, pa.Array]:
    """What the null says of the best formula of each neuron; null at other ranks."""
    values = {
        "p_search": explanations.p_search,
        "q_value": explanations.q_value,
    }
    names = ("", "_low", "_high")
    for name, bound in zip(names, explanations.log10_p_extrapolated.T, strict=True):
        values[f"log10_p_extrapolated{name}"] = bound
    masked = {
        name: np.where(rank == 0, value[neuron], np.nan)
        for name, value in values.items()
    }
    return {
        name: pa.array(value, mask=np.isnan(value)) for name, value in masked.items()
    }


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
    # Of the best formula only: the score of what is left without its n-th literal.
    is_best = at[1] == 0
    without = np.where(is_best[:, None], held_out.scores_without[at[0]], np.nan)
    for place, value in enumerate(without.T, 1):
        name = f"held_out_score_without_{place}"
        columns[name] = pa.array(value, mask=np.isnan(value))
    notes = np.where(is_best & ~empty, held_out.notes[at[0]], "")
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
