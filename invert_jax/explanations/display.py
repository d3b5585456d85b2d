"""Explanations as they show in a terminal and in a notebook: a layer, and one unit."""

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from invert_jax.explanations.lookups import position_of
from invert_jax.explanations.printing import FORMULA, Table, hidden_rows, printed
from invert_jax.explanations.record import LABELED, Record
from invert_jax.formula.formula import Formula

ROWS_SHOWN = 20
STATUS_WORDS = {
    "constant": "the same activation on every sample",
    "no_candidate": "no formula within the bounds",
    "chance": "a search finds one as good by chance",
}


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
        return printed(self.__rich__())

    def __rich__(self) -> RenderableType:
        heading, table = Text(self._heading, style="bold"), self._table
        return Group(heading, table) if table.lines else heading

    def _repr_html_(self) -> str:
        table = self._table
        heading = f"<p><b>{html.escape(self._heading)}</b></p>"
        return heading + (table.to_html() if table.lines else "")

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
        """A row for each formula of the beam, shortest length first."""
        steps = [
            (length, self.explanations.at_length(length))
            for length in range(1, self.explanations.max_length + 1)
        ]
        rows = [
            (f"at most {length}", cells_of(step, self.position, rank))
            for length, step in steps
            for rank in range(step.beam_size)
            if step.lengths[self.position, -1, rank] > 0
        ]
        return table_of("literals", rows)


def unit_of(explanations: Record, neuron: int) -> Unit:
    """One neuron, by its index in the layer."""
    return Unit(explanations, position_of(explanations, neuron))


def cells_of(record: Record, position: int, rank: int = 0) -> dict[str, str]:
    """One formula of a neuron as text, by heading; without a formula why there is none.

    The formula is in words, which `Formula.parse` reads as well.
    """
    formula, held_out = record.formula(position, rank), record.held_out
    status = str(record.status[position])
    if formula is None:
        return {FORMULA: f"({STATUS_WORDS.get(status, status)})"}
    cells = {
        FORMULA: formula.to_words(),
        record.score_name: f"{record.scores[position, rank]:.4f}",
        "samples": f"{record.num_positives[position, rank]:,}",
        "log10 p": f"{record.log10_p[position, rank]:.1f}",
    }
    if held_out is not None:
        score = held_out.scores[position, rank]
        low, high = held_out.intervals[position, rank]
        interval = "" if np.isnan(low) else f"{low:.3f} to {high:.3f}"
        note = str(held_out.notes[position]) if rank == 0 else ""
        cells["held out"] = "" if np.isnan(score) else f"{score:.4f}"
        cells["95 %"] = f"{interval} {note}".strip()
        if held_out.is_alternative[position, rank]:
            cells["status"] = "alternative"
    if record.significance is not None and rank == 0:
        cells["q"] = f"{record.q_value[position]:.2g}"
        cells["status"] = status.replace("_", " ")
    return cells


def table_of(first: str, rows: Sequence[tuple[str, dict[str, str]]]) -> Table:
    """A table of formulas.

    Args:
        first: Heading of the first column.
        rows: What stands in the first column, and the cells of `cells_of`.
    """
    found = dict.fromkeys(name for _, cells in rows for name in (FORMULA, *cells))
    headings = sorted(found, key=lambda name: name == "status")
    lines = [
        (name, *(cells.get(heading, "") for heading in headings))
        for name, cells in rows
    ]
    return Table((first, *headings), lines)


def labels_table(
    record: Record, positions: Iterable[int], *, all_ranks: bool = False
) -> Table:
    """The labels of some neurons, or all formulas of their beams."""
    ranks = range(record.beam_size if all_ranks else 1)
    rows = [
        (record.neuron_names[position], cells_of(record, position, rank))
        for position in positions
        for rank in ranks
        if rank == 0 or record.lengths[position, -1, rank] > 0
    ]
    return table_of("neuron", rows)


def layer_table(record: Record, *, rows: int = ROWS_SHOWN) -> Group:
    """The first neurons, for a terminal.

    >>> from rich.console import Console
    >>> from invert_jax import Concepts, Options, explain
    >>> concepts = Concepts.from_labels([0, 1, 2] * 50, ["cat", "dog", "fish"])
    >>> values = np.array([0.0, 2.0, 1.0] * 50)[:, None]
    >>> labels = explain(
    ...     values, concepts, min_fraction=0.2, options=Options(progress=False))
    >>> Console(width=70, highlight=False).print(layer_table(labels))
    Explanations(1 neurons, 1 labeled, max_length=3, beam_size=5)
    neuron  formula   AUROC  samples  log10 p
         0  dog      1.0000       50    -25.4
    """
    parts: list[RenderableType] = [Text(repr(record))]
    if len(record):
        parts.append(labels_table(record, range(len(record))[:rows]))
    if len(record) > rows:
        parts.append(Text(hidden_rows(len(record) - rows)))
    return Group(*parts)


def layer_html(record: Record, *, rows: int = ROWS_SHOWN) -> str:
    """The first neurons, for a notebook; names are escaped."""
    parts = [f"<p>{html.escape(repr(record))}</p>"]
    if len(record):
        parts.append(labels_table(record, range(len(record))[:rows]).to_html())
    if len(record) > rows:
        parts.append(f"<p>{html.escape(hidden_rows(len(record) - rows))}</p>")
    return "".join(parts)
