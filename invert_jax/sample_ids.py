"""Ids of samples, and of positions inside them."""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Bool, Int, Shaped

from invert_jax.checks import listed
from invert_jax.concepts.distinct import distinct_packed_rows, group_equal_keys


def position_names(shape: tuple[int, ...]) -> Shaped[np.ndarray, " positions"]:
    """Name of each position of an array of this shape, in the order of its numbers.

    >>> position_names((2, 2)).tolist()
    ['0,0', '0,1', '1,0', '1,1']
    """
    places = np.indices(shape).reshape(len(shape), -1).astype(str)
    names = places[0]
    for axis in places[1:]:
        names = np.char.add(np.char.add(names, ","), axis)
    return names


def position_ids(
    ids: Shaped[np.ndarray, " samples"],
    shape: tuple[int, ...],
    where: Bool[np.ndarray, "samples ..."] | None = None,
) -> Shaped[np.ndarray, " kept"]:
    """Ids `sample@position` of the positions of each sample, padding left out.

    Those that `pool="positions"` gives: use them as the ids of the concepts of tokens
    or pixels, in the order of `labels[where]` or `labels.ravel()`.

    >>> where = np.array([[True, True], [True, False]])
    >>> position_ids(np.array(["a", "b"]), (2,), where).tolist()
    ['a@0', 'a@1', 'b@0']
    """
    prefix = np.char.add(np.asarray(ids).astype(str), "@")
    names = np.char.add(prefix[:, None], position_names(shape)[None, :])
    kept = names.ravel() if where is None else names[where.reshape(len(names), -1)]
    return kept


def checked_ids(ids: object, num_samples: int) -> Shaped[np.ndarray, " samples"] | None:
    """A read-only copy of the sample ids as int64 or str, unique, one per sample.

    >>> checked_ids(["img1", "img2"], 2).tolist()
    ['img1', 'img2']
    """
    if ids is None:
        return None
    array = ids_array(ids)
    if array.ndim != 1 or len(array) != num_samples:
        raise ValueError(
            f"`ids` must have one id per sample, {num_samples} in one dimension; got "
            f"shape {array.shape}."
        )
    first, group = _equal_ids(array)
    if len(first) < num_samples:
        second = int(np.flatnonzero(first[group] != np.arange(num_samples))[0])
        raise ValueError(
            f"`ids` must be unique; got {array[second].item()!r} for samples "
            f"{first[group[second]]} and {second}, and {num_samples - len(first)} "
            "repeated in all."
        )
    array.flags.writeable = False
    return array


def ids_array(ids: object) -> np.ndarray:
    """A fresh int64 or str array of the ids, as narrow as they allow."""
    if isinstance(ids, str | bytes):
        raise TypeError(f"`ids` must be a list of ids; got the one id {ids!r}.")
    array = np.asarray(ids) if hasattr(ids, "dtype") else None
    if array is None or array.dtype == object:
        array = _array_of_items(list(ids) if isinstance(ids, Iterable) else [ids])
    if array.dtype.kind == "S":
        array = _decoded(array)
    if array.dtype.kind in "TU":
        width = int(np.strings.str_len(array).max(initial=1))
        return array.astype(f"U{width}")
    if array.dtype.kind not in "iu":
        raise TypeError(
            f"`ids` must be integers or strings; got {array.dtype}; use "
            "ids.astype(str) or ids.astype(int)."
        )
    if array.dtype.kind == "u" and array.max(initial=0) > np.iinfo(np.int64).max:
        raise ValueError(f"`ids` must fit int64; got {array.max()}; use text.")
    return array.astype(np.int64)


def _array_of_items(ids: list[object]) -> np.ndarray:
    """The ids as an array, if all are of one type."""
    kinds = {
        item.dtype.kind if isinstance(item, np.generic) else type(item) for item in ids
    }
    if len(kinds) > 1:
        names = sorted({type(item).__name__ for item in ids})
        raise TypeError(f"`ids` must be of one type; got {listed(names)}.")
    try:
        return np.array(ids, np.int64 if kinds == {int} else None)
    except OverflowError:
        wide = next(i for i in ids if not -(2**63) <= i < 2**63)  # type: ignore[operator]
        raise ValueError(f"`ids` must fit int64; got {wide}; use text.") from None


def _decoded(ids: np.ndarray) -> np.ndarray:
    """Bytes as the text that they are in UTF-8."""
    try:
        return np.strings.decode(ids, "utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"`ids` as bytes must be text in UTF-8; got {error.object!r}."
        ) from None


def _equal_ids(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Groups of equal ids; text is compared as bytes, sorting it is slow."""
    if ids.dtype.kind == "U":
        return distinct_packed_rows(
            np.ascontiguousarray(ids).view(np.uint8).reshape(len(ids), -1)
        )
    return group_equal_keys(ids)


def positions_of_ids(wanted: object, ids: np.ndarray) -> Int[np.ndarray, " wanted"]:
    """Where each wanted id is among the ids.

    >>> positions_of_ids(["c", "a"], np.array(["a", "b", "c"])).tolist()
    [2, 0]
    """
    wanted = ids_array(wanted)
    if wanted.dtype.kind != ids.dtype.kind:
        raise ValueError(
            f"`ids` must be of the kind of the table's, {ids.dtype}; got "
            f"{wanted.dtype}."
        )
    order = np.argsort(ids)
    found = order[np.minimum(np.searchsorted(ids, wanted, sorter=order), len(ids) - 1)]
    unknown = wanted[ids[found] != wanted]
    if len(unknown):
        raise ValueError(
            f"`ids` must be in the table; it lacks {listed(unknown.tolist())}."
        )
    return found


def joined_ids(
    ids: np.ndarray | None, others: np.ndarray | None, num_samples: int, num_others: int
) -> np.ndarray | None:
    """The ids of two tables of the same samples; checked where both have them."""
    if num_samples != num_others:
        raise ValueError(
            "`join` needs the same samples in both tables; got "
            f"{num_samples} and {num_others}; more samples are added by `stack`."
        )
    if ids is None or others is None:
        return others if ids is None else ids
    if ids.dtype.kind != others.dtype.kind:
        raise ValueError(
            f"`join` needs the same ids in both tables; got {ids.dtype} and "
            f"{others.dtype}."
        )
    different = np.flatnonzero(ids != others)
    if len(different):
        where = different[0]
        raise ValueError(
            "`join` needs the same samples in the same order; the ids differ at "
            f"{len(different)} samples, first at {where}: {ids[where].item()!r} and "
            f"{others[where].item()!r}. If only the order differs, use "
            "`first.join(second.align(first.ids))`."
        )
    return ids


def stacked_ids(ids: np.ndarray | None, others: np.ndarray | None) -> np.ndarray | None:
    """The ids of two stacked tables; either both have them or none."""
    if ids is None and others is None:
        return None
    if ids is None or others is None or ids.dtype.kind != others.dtype.kind:
        got = [None if each is None else each.dtype for each in (ids, others)]
        raise ValueError(
            "`stack` needs ids of the same kind in both tables, or in neither; got "
            f"{got[0]} and {got[1]}; set or drop them by `with_ids`."
        )
    return np.concatenate([ids, others])
