"""Arrays as they are given: what they say beside their numbers is used or refused."""

from typing import Any, NamedTuple

import numpy as np

from invert_jax.checks import listed


class Labels(NamedTuple):
    """What a table says its rows and columns are; None where it only counts them."""

    rows: np.ndarray | None
    columns: tuple[str, ...] | None


def plain_array(name: str, values: Any, *, ids: np.ndarray | None = None) -> np.ndarray:
    """The values as NumPy has them, refused if they would lose what else they say.

    Args:
        name: Of the argument.
        values: An array, a list, or a table without labels of columns.
        ids: Of the samples, which labels of rows must be; None if they are unknown.

    Raises:
        TypeError: For a sparse format, or what NumPy cannot read.
        ValueError: For missing values, or labels of other samples.

    >>> plain_array("where", [True, False])
    array([ True, False])
    >>> plain_array("where", np.ma.masked_array([1.0, 2.0], [False, True]))
    Traceback (most recent call last):
    ValueError: `where` must have a value everywhere; got a MaskedArray with 1 of 2
    masked. Leave those samples out, by `where` if there is one, or fill in values that
    mean something.
    """
    check_plain(name, values)
    check_labels(name, labels_of(values), ids)
    return numpy_array(name, values)


def numpy_array(name: str, values: Any) -> np.ndarray:
    """The numbers of what has been checked to be plain."""
    try:
        return np.asarray(values)
    except Exception as error:
        raise TypeError(
            f"`{name}` must be an array that NumPy can read; got {_kind(values)}, "
            f"which it cannot: {error}"
        ) from error


def check_plain(name: str, values: Any) -> None:
    """Refuse missing values and sparse formats."""
    if hasattr(values, "toarray") or hasattr(values, "todense"):
        convert = "toarray" if hasattr(values, "toarray") else "todense"
        raise TypeError(
            f"`{name}` must be dense; got {_kind(values)}. Convert it by .{convert}()."
        )
    for part in values if isinstance(values, list | tuple) else (values,):
        num_missing, how = _num_missing(part)
        if num_missing:
            raise ValueError(
                f"`{name}` must have a value everywhere; got a {_kind(part)} with "
                f"{num_missing} of {np.size(part)} {how}. Leave those samples out, by "
                "`where` if there is one, or fill in values that mean something."
            )


def _num_missing(values: Any) -> tuple[int, str]:
    """How many values are missing, and what that is called."""
    if isinstance(values, np.ma.MaskedArray):
        return int(np.ma.count_masked(values)), "masked"
    count = getattr(values, "null_count", 0)
    count = count() if callable(count) else count  # of polars, by column
    return int(np.sum(np.asarray(count))), "null"


def labels_of(values: Any) -> Labels:
    """Labels of the rows and columns of a table of pandas, xarray, Arrow or polars.

    >>> labels_of(np.eye(2))
    Labels(rows=None, columns=None)
    """
    if hasattr(values, "iloc"):
        columns = getattr(values, "columns", None)
        return Labels(_named(values.index), _texts(_named(columns)))
    if hasattr(values, "coords") and hasattr(values, "dims"):
        axes = [values.indexes.get(axis) for axis in values.dims[:2]]
        rows, columns = (*map(_named, axes), None, None)[:2]
        return Labels(rows, _texts(columns))
    columns = getattr(values, "column_names", None)
    if columns is None and hasattr(values, "null_count"):
        columns = getattr(values, "columns", None)
    return Labels(None, _texts(columns))


def check_labels(name: str, labels: Labels, ids: np.ndarray | None) -> None:
    """Refuse labels that cannot be used, and those of other samples."""
    if labels.columns is not None:
        raise ValueError(
            f"`{name}` must be without labels of columns, which mean nothing here; got "
            f"{listed(labels.columns, 3)}. Give .to_numpy()."
        )
    check_rows(name, labels, ids)


def check_rows(name: str, labels: Labels, ids: np.ndarray | None) -> None:
    """Refuse labels of rows that are not the ids of the samples."""
    if labels.rows is not None:
        _check_same(name, "ids", labels.rows, ids)


def used_labels(name: str, what: str, labels: Any, given: Any) -> Any:
    """What was given beside a table, or the table's own labels; both must agree.

    >>> used_labels("masks", "ids", np.array(["a", "b"]), None).tolist()
    ['a', 'b']
    """
    if labels is None:
        return given
    if given is None or len(given) == 0:
        return labels
    _check_same(name, what, labels, given)
    return given


def _check_same(name: str, what: str, labels: Any, given: Any) -> None:
    got = None if given is None else list(np.asarray(given).tolist())
    if got == list(labels):
        return
    beside = "none are given" if got is None else f"those given are {listed(got, 3)}"
    raise ValueError(
        f"`{name}` must be labeled by the `{what}`, or not at all; its own labels are "
        f"{listed(list(labels), 3)} and {beside}. If its order is right, give "
        ".to_numpy()."
    )


def _named(index: Any) -> np.ndarray | None:
    """The labels of an index, unless it counts from 0."""
    if index is None or (getattr(index, "start", 1), getattr(index, "step", 0)) == (
        0,
        1,
    ):
        return None
    if getattr(index, "nlevels", 1) > 1:
        return np.array([str(label) for label in index])
    labels = np.asarray(index)
    return labels.astype(str) if labels.dtype.kind in "Mm" else labels


def _texts(labels: Any) -> tuple[str, ...] | None:
    return None if labels is None else tuple(map(str, labels))


def _kind(values: Any) -> str:
    return type(values).__name__
