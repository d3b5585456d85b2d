"""Checks of what the user gives for a concept table: names, ids, values."""

from collections import Counter
from collections.abc import Iterable

import numpy as np
from jaxtyping import Bool, Int, Shaped

from invert_jax.concepts._distinct import distinct_packed_rows, group_equal_keys


def listed(items: Iterable[object], limit: int = 5) -> str:
    """The first items for a message, with the number of those left out.

    >>> listed(["a", "b", "c"], limit=2)
    "'a', 'b' and 1 more"
    """
    shown = list(items)
    text = ", ".join(repr(item) for item in shown[:limit])
    return text + (f" and {len(shown) - limit} more" if len(shown) > limit else "")


class RepeatedKeyError(ValueError):
    """An object of a JSON file has a key twice, and the first would be lost."""


def object_of_pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """The pairs of a JSON object as a dict, as `json.loads` hooks it; no key twice.

    >>> object_of_pairs([("a", 1), ("b", 2)])
    {'a': 1, 'b': 2}
    """
    content = dict(pairs)
    if len(content) < len(pairs):
        doubles = [
            key for key, count in Counter(k for k, _ in pairs).items() if count > 1
        ]
        raise RepeatedKeyError(
            f"keys of an object must be unique; got more than once: {listed(doubles)}."
        )
    return content


def checked_names(
    names: Iterable[str], num_concepts: int | None = None
) -> tuple[str, ...]:
    """The names as a tuple: strings, not empty, unique, one per concept.

    >>> checked_names(["cat", "dog"], 2)
    ('cat', 'dog')
    """
    if isinstance(names, str | bytes):
        raise TypeError(f"`names` must be a list of names; got the one name {names!r}.")
    names = tuple(names)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"`names` must be strings; got {name!r}; use str(...).")
    names = tuple(str(name) for name in names)  # numpy.str_ becomes str
    if num_concepts is not None and len(names) != num_concepts:
        raise ValueError(
            f"`names` must have one name per concept; got {len(names)} names for "
            f"{num_concepts} concepts."
        )
    if not names:
        raise ValueError("`names` must have at least one name; got none.")
    if not all(name.strip() for name in names):
        where = next(i for i, name in enumerate(names) if not name.strip())
        raise ValueError(f"`names` must not be empty; got {names[where]!r} at {where}.")
    doubles = [name for name, count in Counter(names).items() if count > 1]
    if doubles:
        raise ValueError(
            f"`names` must be unique; got more than once: {listed(doubles, 20)}. "
            "Append something that tells them apart."
        )
    return names


def checked_descriptions(
    descriptions: Iterable[str] | None, num_concepts: int
) -> tuple[str, ...] | None:
    """The descriptions as a tuple of one string per concept, or None.

    >>> checked_descriptions(["a pet"], 1)
    ('a pet',)
    """
    if descriptions is None:
        return None
    if isinstance(descriptions, str | bytes):
        raise TypeError(
            "`descriptions` must be a list with one text per concept; got the one text "
            f"{descriptions!r}."
        )
    descriptions = tuple(descriptions)
    for text in descriptions:
        if not isinstance(text, str):
            raise TypeError(f"`descriptions` must be strings; got {text!r}.")
    if len(descriptions) != num_concepts:
        raise ValueError(
            "`descriptions` must have one text per concept; got "
            f"{len(descriptions)} for {num_concepts} concepts."
        )
    return tuple(str(text) for text in descriptions)


def checked_ids(ids: object, num_samples: int) -> Shaped[np.ndarray, " samples"] | None:
    """A read-only copy of the sample ids as int64 or str, unique, one per sample.

    >>> checked_ids(["img1", "img2"], 2).tolist()
    ['img1', 'img2']
    """
    if ids is None:
        return None
    array = _ids_array(ids)
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


def _ids_array(ids: object) -> np.ndarray:
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


def checked_bool(
    values: Shaped[np.ndarray, "samples concepts"],
    names: tuple[str, ...],
    first: int = 0,
) -> Bool[np.ndarray, "samples concepts"]:
    """The values as bool; integers and floats only if all of them are 0 or 1.

    `first` is the number of the first sample, for the message.

    >>> checked_bool(np.array([[0, 1]]), ("a", "b")).tolist()
    [[False, True]]
    """
    if values.dtype == bool:
        return values
    bad = (values != 0) & (values != 1)
    if bad.any():
        sample, column = (int(i) for i in np.argwhere(bad)[0])
        raise_bad_value(values[sample, column], first + sample, names[column])
    return values != 0


def raise_bad_value(value: np.generic, sample: int, name: str) -> None:
    """Say which value of a mask table is neither true nor false."""
    raise ValueError(
        f"`masks` must be boolean, or numbers that are all 0 or 1; got {value.item()} "
        f"for sample {sample}, concept {name!r}. Compare with a threshold first, for "
        "example `masks > 0.5`, and decide what a missing value means."
    )


def checked_dtype(dtype: np.dtype) -> None:
    """Refuse every dtype that has no plain 0 and 1."""
    if dtype.kind not in "biuf":
        raise TypeError(
            f"`masks` must be boolean, or numbers that are all 0 or 1; got dtype "
            f"{dtype}; use masks.astype(bool) if that means what you want."
        )


def checked_samples(samples: object, num_samples: int) -> Int[np.ndarray, " taken"]:
    """The samples as indices, from indices or from a boolean mask; at least one.

    >>> checked_samples(np.array([True, False, True]), 3).tolist()
    [0, 2]
    """
    array = np.asarray(samples)
    if array.ndim != 1 or array.dtype.kind not in "biu":
        raise ValueError(
            "`samples` must be a boolean mask or indices, in one dimension; got "
            f"{array.dtype} of shape {array.shape}."
        )
    if array.dtype == bool:
        if len(array) != num_samples:
            raise ValueError(
                f"`samples` as a mask must have {num_samples} values; got {len(array)}."
            )
        array = np.flatnonzero(array)
    if not len(array):
        raise ValueError("`samples` must leave at least one sample; got none.")
    if array.min() < 0 or array.max() >= num_samples:
        raise ValueError(
            f"`samples` must be in 0 … {num_samples - 1}; got {array.min()} … "
            f"{array.max()}."
        )
    return array.astype(np.int64)


def positions_of_ids(wanted: object, ids: np.ndarray) -> Int[np.ndarray, " wanted"]:
    """Where each wanted id is among the ids.

    >>> positions_of_ids(["c", "a"], np.array(["a", "b", "c"])).tolist()
    [2, 0]
    """
    wanted = _ids_array(wanted)
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


def check_no_common_names(names: tuple[str, ...], others: tuple[str, ...]) -> None:
    """Refuse to join tables that share a name."""
    common = sorted(set(names) & set(others))
    if common:
        raise ValueError(
            "`join` needs different names in the two tables; both have "
            f"{listed(common, 20)}. Leave them out of one by `select`."
        )


def stacked_names(
    names: tuple[str, ...], others: tuple[str, ...], missing: str
) -> tuple[str, ...]:
    """The names of two stacked tables: those of the first, then the new ones."""
    if missing not in ("error", "absent"):
        raise ValueError(f'`missing` must be "error" or "absent"; got {missing!r}.')
    known, of_other = set(names), set(others)
    new = [name for name in others if name not in known]
    lacking = [name for name in names if name not in of_other]
    if missing == "error" and (new or lacking):
        raise ValueError(
            "`stack` needs the same concepts in both tables; the first lacks "
            f"{listed(new) or 'none'}; the second lacks {listed(lacking) or 'none'}. "
            'With missing="absent" they are False where they are not known.'
        )
    return names + tuple(new)


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
