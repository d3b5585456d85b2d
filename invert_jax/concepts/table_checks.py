"""Checks of what the user gives for a concept table: names, ids, values."""

from collections import Counter
from collections.abc import Iterable

import numpy as np
from jaxtyping import Bool, Int, Shaped

from invert_jax.checks import check_choice, check_text, listed
from invert_jax.plain_arrays import plain_array


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
    check_text("names", names)
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


def checked_samples(
    samples: object, num_samples: int, ids: np.ndarray | None = None
) -> Int[np.ndarray, " taken"]:
    """The samples as indices, from indices or from a boolean mask; at least one.

    >>> checked_samples(np.array([True, False, True]), 3).tolist()
    [0, 2]
    """
    array = plain_array("samples", samples, ids=ids)
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
    check_choice("missing", missing, ("error", "absent"))
    first, second = set(names), set(others)
    only_second = [name for name in others if name not in first]
    only_first = [name for name in names if name not in second]
    if missing == "error" and (only_first or only_second):
        raise ValueError(
            "`stack` needs the same concepts in both tables; the first lacks "
            f"{listed(only_second) or 'none'}; the second lacks "
            f"{listed(only_first) or 'none'}. "
            'With missing="absent" they are False where they are not known.'
        )
    return names + tuple(only_second)
