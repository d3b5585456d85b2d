"""Categories that are annotated in some samples only: what is unknown elsewhere."""

import numbers
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from invert_jax.checks import check_choice, listed

UNKNOWN_CHOICES = ("error", "warn", "absent")


def check_unknown(
    unknown: str,
    present: sp.csr_array,
    absent: sp.csr_array,
    names: Sequence[str],
    *,
    stacklevel: int,
) -> None:
    """Refuse, or warn of, pairs of which neither presence nor absence is known.

    Args:
        unknown: "error", "warn", or "absent" to read them as absent without a word.
        present: bool [samples, categories], where a category is annotated.
        absent: bool [samples, categories], where it was verified to be absent.
        names: Of the categories.
        stacklevel: Where the warning points, as `warnings.warn` takes it.

    >>> present = sp.csr_array([[True, False], [False, False]])
    >>> absent = sp.csr_array([[False, False], [False, True]])
    >>> check_unknown("error", present, absent, ["cat", "dog"], stacklevel=2)
    Traceback (most recent call last):
    ValueError: 2 of 4 pairs of a sample and a category are unknown: neither annotated
    nor verified to be absent. unknown="absent" reads them as absent; `select` then
    takes categories that are known of every sample, of which there are none.
    """
    check_choice("unknown", unknown, UNKNOWN_CHOICES)
    both = present.multiply(absent).tocoo()
    if both.nnz:
        raise ValueError(
            f"{both.nnz} pairs of a sample and a category are annotated and verified "
            f"to be absent, such as sample {both.row[0]} and "
            f"{names[both.col[0]]!r}. Mend the annotations."
        )
    is_known = sp.csr_array((present.astype(np.int8) + absent.astype(np.int8)) > 0)
    num_known = np.bincount(is_known.indices, minlength=len(names))
    num_samples = present.shape[0]
    count = num_samples * len(names) - int(num_known.sum())
    if count == 0 or unknown == "absent":
        return
    everywhere = [
        name
        for name, known in zip(names, num_known.tolist(), strict=True)
        if known == num_samples
    ]
    which = f"such as {listed(everywhere)}" if everywhere else "of which there are none"
    message = (
        f"{count} of {num_samples * len(names)} pairs of a sample and a category are "
        "unknown: neither annotated nor verified to be absent. "
        'unknown="absent" reads them as absent; `select` then takes categories that '
        f"are known of every sample, {which}."
    )
    if unknown == "error":
        raise ValueError(message)
    warnings.warn(message, stacklevel=stacklevel + 1)


def checked_confidence(min_confidence: Any) -> float:
    """The least confidence that counts; without one, any above 0.

    >>> checked_confidence(None) > 0, checked_confidence(0.5)
    (True, 0.5)
    """
    least = float(np.nextafter(0, 1))
    if min_confidence is None:
        return least
    is_number = isinstance(min_confidence, numbers.Real)
    if not is_number or isinstance(min_confidence, bool) or not min_confidence >= 0:
        raise ValueError(
            f"`min_confidence` must be a number of at least 0; got {min_confidence!r}."
        )
    return max(float(min_confidence), least)
