"""Which columns of a table are searched, and which others mean the same."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from invert_jax.concepts.table import Concepts


@dataclass(frozen=True)
class Searched:
    """The columns of a concept table that a search uses.

    Attributes:
        table: Those columns alone; None if there are none.
        columns: Index of each in the whole table.
        synonyms: For a concept, the others that hold on the same samples.
        left_out: Concepts that never or always hold.
    """

    table: Concepts | None
    columns: Int[np.ndarray, " searched"]
    synonyms: dict[str, tuple[str, ...]]
    left_out: tuple[str, ...]


def searched_columns(concepts: Concepts) -> Searched:
    """Leave out constant columns, and all but the first of those that are equal.

    >>> concepts = Concepts.from_masks([[1, 1, 0], [1, 0, 1]], ["all", "a", "b"])
    >>> searched_columns(concepts).left_out
    ('all',)
    """
    names, groups = concepts.names, concepts.column_groups()
    constant = concepts.is_constant
    alike: dict[int, list[str]] = {}
    for column in np.flatnonzero(~constant):
        alike.setdefault(int(groups[column]), []).append(names[column])
    columns = np.array(sorted(alike), np.int64)
    searched = [names[column] for column in columns]
    return Searched(
        concepts.select(searched) if searched else None,
        columns,
        {first: tuple(rest) for first, *rest in alike.values() if rest},
        tuple(names[column] for column in np.flatnonzero(constant)),
    )
