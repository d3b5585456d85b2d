"""Checks of arguments: one for each kind of rule, with one wording."""

import numbers
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

_LONE = re.compile("[\ud800-\udfff]")
# Controls, and marks that turn the direction of what stands around them.
_ACTS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def check_whole(
    name: str, value: Any, smallest: int | None = None, largest: int | None = None
) -> None:
    """Refuse what is no whole number, too small or too large.

    >>> check_whole("beam_size", 0, 1)
    Traceback (most recent call last):
    ValueError: `beam_size` must be at least 1; got 0.
    """
    if not _is_whole(value):
        raise TypeError(f"`{name}` must be a whole number; got {value!r}.")
    if smallest is not None and value < smallest:
        raise ValueError(f"`{name}` must be at least {smallest}; got {value}.")
    if largest is not None and value > largest:
        raise ValueError(f"`{name}` must be at most {largest}; got {value}.")


def check_fraction(name: str, value: Any) -> None:
    """Refuse what is no number in [0, 1].

    >>> check_fraction("min_score", 60)
    Traceback (most recent call last):
    ValueError: `min_score` must be in [0, 1]; got 60.
    """
    _check_number(name, value)
    if not 0 <= float(value) <= 1:
        raise ValueError(f"`{name}` must be in [0, 1]; got {value}.")


def check_share(name: str, value: Any) -> None:
    """Refuse what is no number in (0, 1): some, and not all.

    >>> check_share("alpha", 1.0)
    Traceback (most recent call last):
    ValueError: `alpha` must be in (0, 1); got 1.0.
    """
    _check_number(name, value)
    if not 0 < float(value) < 1:
        raise ValueError(f"`{name}` must be in (0, 1); got {value}.")


def check_choice(name: str, value: object, choices: Iterable[str]) -> None:
    """Refuse what is none of the choices.

    >>> check_choice("sign", "both", ("positive", "negative"))
    Traceback (most recent call last):
    ValueError: `sign` must be 'positive' or 'negative'; got 'both'.
    """
    choices = tuple(choices)
    if not isinstance(value, str) or value not in choices:
        *others, last = map(repr, choices)
        named = " or ".join((", ".join(others), last) if others else (last,))
        raise ValueError(f"`{name}` must be {named}; got {value!r}.")


def checked_sizes(name: str, what: str, sizes: Any) -> tuple[int, int]:
    """Two sizes, both at least 1.

    >>> checked_sizes("boxes", "rows and columns", [np.int64(7), 5])
    (7, 5)
    >>> checked_sizes("grid", "a grid", (7, 0))
    Traceback (most recent call last):
    ValueError: `grid` must be a grid, whole numbers from 1, as (7, 7); got (7, 0).
    """
    is_pair = isinstance(sizes, Sequence | np.ndarray) and len(sizes) == 2
    if not is_pair or not all(_is_whole(size) and size >= 1 for size in sizes):
        raise ValueError(
            f"`{name}` must be {what}, whole numbers from 1, as (7, 7); got {sizes!r}."
        )
    return int(sizes[0]), int(sizes[1])


def check_text(name: str, texts: Iterable[str]) -> None:
    r"""Refuse text that no file can hold: half of a pair of UTF-16, alone.

    It comes from names of files that are not UTF-8, and from "\ud800" in JSON.

    >>> check_text("names", ["cat", "caf\udce9"])
    Traceback (most recent call last):
    ValueError: `names` must be text that UTF-8 can hold, to be saved; got 'caf\udce9',
    with half a character. Replace it: name.encode("utf-8", "replace").decode().
    """
    for text in texts:
        if _LONE.search(text):
            raise ValueError(
                f"`{name}` must be text that UTF-8 can hold, to be saved; got "
                f"{text!r}, with half a character. Replace it: "
                'name.encode("utf-8", "replace").decode().'
            )


def printable(text: str) -> str:
    r"""Text that does nothing to a terminal: what would is shown as an escape.

    >>> print(printable("red\x1b[31m\nnext"))
    red\x1b[31m\nnext
    >>> print(printable("日本 🐙"))
    日本 🐙
    """
    return _ACTS.sub(lambda found: repr(found[0])[1:-1], text)


def listed(items: Iterable[object], limit: int = 5) -> str:
    """The first items for a message, with the number of those left out.

    >>> listed(["a", "b", "c"], limit=2)
    "'a', 'b' and 1 more"
    """
    shown = list(items)
    text = ", ".join(repr(item) for item in shown[:limit])
    return text + (f" and {len(shown) - limit} more" if len(shown) > limit else "")


def _check_number(name: str, value: object) -> None:
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise TypeError(f"`{name}` must be a number; got {value!r}.")


def _is_whole(value: object) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)
