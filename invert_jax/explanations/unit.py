"""One unit and what it responds to."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from invert_jax.explanations.lookups import position_of
from invert_jax.explanations.printing import (
    STATUS_WORDS,
    Listing,
    Table,
    row_of,
    table_of,
)
from invert_jax.explanations.record import LABELED, Record
from invert_jax.formula.formula import Formula

if TYPE_CHECKING:
    import rich.console


@dataclass(frozen=True, eq=False, repr=False)
class Unit:
    """One neuron and what it responds to; shows well where it is printed.

    Attributes:
        explanations: Those of its layer.
        position: Its position among them.
    """

    explanations: Record
    position: int

    @property
    def neuron(self) -> int:
        """Its index in the layer."""
        return int(self.explanations.neurons[self.position])

    @property
    def name(self) -> str:
        """Its name."""
        return self.explanations.neuron_names[self.position]

    @property
    def status(self) -> str:
        """Whether its label is to be used."""
        return str(self.explanations.status[self.position])

    @property
    def formula(self) -> Formula | None:
        """What it responds to."""
        return self.explanations.formula(self.position)

    @property
    def score(self) -> float:
        """Score of that formula; nan if there is none."""
        return float(self.explanations.scores[self.position, 0])

    def __repr__(self) -> str:
        formula = self.formula
        label = None if formula is None else f"{str(formula)!r}, {self.score:.4f}"
        return f"Unit({self.neuron}, {label or self.status})"

    def __str__(self) -> str:
        return str(self._listing)

    def __rich__(self) -> "rich.console.Group":
        return self._listing.__rich__()

    def _repr_html_(self) -> str:
        return self._listing.to_html()

    @property
    def _listing(self) -> Listing:
        table = self._table
        return Listing(self._heading, table, total=len(table.lines), bold=True)

    @property
    def _heading(self) -> str:
        number, of = str(self.neuron), self.explanations
        heading = f"unit {number}" + ("" if self.name == number else f" ({self.name})")
        if of.layer:
            heading += f" of {of.layer}"
        if self.status != LABELED:
            heading += f": {STATUS_WORDS.get(self.status, self.status)}"
        return heading

    @property
    def _table(self) -> Table:
        """A row for each formula of the beam, shortest length first.

        A label that is simpler than the longest has a row of its own above.
        """
        of, position = self.explanations, self.position
        steps = [
            (length, of.at_length(length)) for length in range(1, of.max_length + 1)
        ]
        rows = [
            (f"at most {length}", row_of(step, position, rank))
            for length, step in steps
            for rank in range(step.beam_size)
            if step.lengths[position, -1, rank] > 0
        ]
        if of.label_lengths is not None and of.has_formula[position]:
            rows.insert(0, ("label", row_of(of, position)))
        return table_of("literals", rows)


def unit_of(explanations: Record, neuron: int | np.integer) -> Unit:
    """One neuron, by its index in the layer."""
    return Unit(explanations, position_of(explanations, neuron))
