"""Ids of samples, and of positions inside them."""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Bool, Int, Shaped

from invert_jax.checks import listed
from invert_jax.plain_arrays import check_plain


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


def checked_ids(ids: object, num_samples: int) -> Shaped[np.ndarray, " samples"]:
    """The sample ids as int64 or str, one per sample.

    >>> checked_ids([b"a.png", b"b.png"], 2).tolist()
    ['a.png', 'b.png']
    """
    array = id_array(ids)
    if array.ndim != 1 or len(array) != num_samples:
        raise ValueError(
            "`ids` must hold one id per sample, on one axis; "
            f"got shape {array.shape} for {num_samples} samples."
        )
    return array


def distinct_ids(
    ids: object, num_samples: int
) -> Shaped[np.ndarray, " samples"] | None:
    """A read-only copy, as narrow as the ids allow; None stays None.

    Two samples that share an id are an error.

    >>> distinct_ids(["img1", "img2"], 2).tolist()
    ['img1', 'img2']
    """
    if ids is None:
        return None
    array = np.array(checked_ids(ids, num_samples))
    if array.dtype.kind == "U":
        array = _narrow(array)
    values = array.tolist()
    num_repeated = num_samples - len(set(values))
    if num_repeated:
        first: dict[object, int] = {}
        second = next(
            i for i, value in enumerate(values) if first.setdefault(value, i) != i
        )
        raise ValueError(
            f"`ids` must be unique; got {values[second]!r} for samples "
            f"{first[values[second]]} and {second}, and {num_repeated} repeated in all."
        )
    array.flags.writeable = False
    return array


def id_array(ids: object) -> np.ndarray:
    """The ids as an array: fresh as int64, or of str; bytes are read as UTF-8.

    >>> id_array([b"a.png", b"b.png"])
    array(['a.png', 'b.png'], dtype='<U5')
    """
    if isinstance(ids, str | bytes):
        raise TypeError(f"`ids` must be a list of ids; got the one id {ids!r}.")
    check_plain("ids", ids)
    array = np.asarray(ids) if hasattr(ids, "dtype") else None
    if array is None or array.dtype == object:
        array = _array_of_items(list(ids) if isinstance(ids, Iterable) else [ids])
    if array.dtype.kind == "S":
        array = _decoded(array)
    if array.dtype.kind in "TU":
        return array if array.dtype.kind == "U" else _narrow(array)
    if array.dtype.kind not in "iu" and array.size:
        raise TypeError(
            f"`ids` must be whole numbers or strings; got dtype {array.dtype}; use "
            "ids.astype(str) or ids.astype(int)."
        )
    if array.dtype.kind == "u" and array.max(initial=0) > np.iinfo(np.int64).max:
        raise ValueError(f"`ids` must fit int64; got {array.max()}; use text.")
    return array.astype(np.int64)


def _narrow(texts: np.ndarray) -> np.ndarray:
    """A copy of the texts, as wide as the longest."""
    return texts.astype(f"U{np.strings.str_len(texts).max(initial=1)}")


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


def positions_of_ids(wanted: object, ids: np.ndarray) -> Int[np.ndarray, " wanted"]:
    """Where each wanted id is among the ids.

    >>> positions_of_ids(["c", "a"], np.array(["a", "b", "c"])).tolist()
    [2, 0]
    """
    wanted = id_array(wanted)
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


def check_same_samples(
    what: str,
    num_samples: tuple[int, int],
    ids: tuple[np.ndarray | None, np.ndarray | None],
    *,
    cure: str,
) -> None:
    """Refuse two inputs of other samples; by ids only where both have them.

    Args:
        what: Both, as a message names them.
        num_samples: Of each.
        ids: Of each.
        cure: What to do if only the order differs.

    >>> ids = np.array(["a", "b"]), np.array(["b", "a"])
    >>> check_same_samples("`a` and `b`", (2, 2), ids, cure="Sort them.")
    Traceback (most recent call last):
    ValueError: `a` and `b` must describe the same samples, in the same order; sample 0
    has the id 'a' in one and 'b' in the other. Sort them.
    """
    must = f"{what} must describe the same samples, in the same order"
    if num_samples[0] != num_samples[1]:
        raise ValueError(f"{must}; got {num_samples[0]} and {num_samples[1]}.")
    first, second = ids
    if first is None or second is None:
        return
    if first.dtype.kind != second.dtype.kind:
        raise ValueError(
            f"{what} must use the same ids; got {first[0].item()!r} and "
            f"{second[0].item()!r} for the first sample."
        )
    different = np.flatnonzero(first != second)
    if len(different):
        at = different[0]
        raise ValueError(
            f"{must}; sample {at} has the id {first[at].item()!r} in one and "
            f"{second[at].item()!r} in the other. {cure}"
        )


def stacked_ids(
    ids: Shaped[np.ndarray, " samples"] | None,
    others: Shaped[np.ndarray, " others"] | None,
) -> Shaped[np.ndarray, " all"] | None:
    """The ids of both, which must be different and of one kind; None if none has any.

    >>> stacked_ids(np.array([1, 2]), np.array([3]))
    array([1, 2, 3])
    """
    kinds = [None if part is None else part.dtype.kind for part in (ids, others)]
    if kinds[0] != kinds[1]:
        raise ValueError(
            "`other` must have ids if this has, and of the same kind; got dtype kinds "
            f"{kinds[0]} and {kinds[1]}; set or drop them."
        )
    if ids is None or others is None:
        return None
    twice = np.intersect1d(ids, others)
    if len(twice):
        raise ValueError(
            f"`other` must hold other samples; got {twice[0].item()!r} in both."
        )
    return np.concatenate([ids, others])
