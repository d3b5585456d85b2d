"""Checks of arguments: one for each kind of rule, with one wording."""

import numbers
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np


def check_whole(name: str, value: object, smallest: int | None = None) -> None:
    """Refuse what is no whole number or too small."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool):
        raise TypeError(f"`{name}` must be a whole number; got {value!r}.")
    if smallest is not None and value < smallest:
        raise ValueError(f"`{name}` must be at least {smallest}; got {value}.")


def check_fraction(name: str, value: object) -> None:
    """Refuse what is no number in [0, 1]."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise TypeError(f"`{name}` must be a number; got {value!r}.")
    if not 0 <= float(value) <= 1:
        raise ValueError(f"`{name}` must be in [0, 1]; got {value}.")


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Refuse what is none of the choices."""
    if value not in choices:
        named = " or ".join(repr(choice) for choice in choices)
        raise ValueError(f"`{name}` must be {named}; got {value!r}.")


def checked_sizes(name: str, what: str, sizes: Any) -> tuple[int, int]:
    """Two sizes, both at least 1."""
    is_pair = isinstance(sizes, Sequence) and len(sizes) == 2
    if not is_pair or not all(map(_is_size, sizes)):
        raise ValueError(
            f"`{name}` must be {what}, whole numbers from 1, as (7, 7); got {sizes!r}."
        )
    return int(sizes[0]), int(sizes[1])


def _is_size(value: object) -> bool:
    """Whether it is a whole number from 1."""
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    return bool(is_whole and value >= 1)  # type: ignore[operator]


def listed(items: Iterable[object], limit: int = 5) -> str:
    """The first items for a message, with the number of those left out.

    >>> listed(["a", "b", "c"], limit=2)
    "'a', 'b' and 1 more"
    """
    shown = list(items)
    text = ", ".join(repr(item) for item in shown[:limit])
    return text + (f" and {len(shown) - limit} more" if len(shown) > limit else "")
