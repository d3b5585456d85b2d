"""Explanations as they show in a terminal and in a notebook: a layer, and one unit."""

import html
from dataclasses import dataclass

import numpy as np
from rich.console import (
    Group,
    JustifyMethod,
    RenderableType,
)
from rich.table import Table
from rich.text import Text

from invert_jax.explanations.lookups import position_of
from invert_jax.explanations.printing import (
    LEAST_FORMULA,
    MOST_NAME,
    FittedTable,
    Row,
    printed,
    rows_as_html,
)
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
        """AUROC of that formula; nan if there is none."""
        return float(self.explanations.scores[self.position, 0])

    def __repr__(self) -> str:
        formula = self.formula
        label = None if formula is None else f"{str(formula)!r}, {self.score:.4f}"
        return f"Unit({self.neuron}, {label or self.status})"

    def __str__(self) -> str:
        return printed(self.__rich__())

    def __rich__(self) -> RenderableType:
        heading, rows = self._shown()
        return (
            Group(Text(heading, style="bold"), FittedTable(rows)) if rows else heading
        )

    def _repr_html_(self) -> str:
        heading, rows = self._shown()
        return (
            f"<p><b>{html.escape(heading)}</b></p>{rows_as_html(rows) if rows else ''}"
        )

    def _shown(self) -> tuple[str, list[Row]]:
        """A heading and a row for each formula of the beam, shortest length first."""
        of, position = self.explanations, self.position
        number = str(self.neuron)
        title = f"unit {number}" + ("" if self.name == number else f" ({self.name})")
        if of.layer:
            title += f" of {of.layer}"
        if self.status != LABELED:
            title += f": {STATUS_WORDS.get(self.status, self.status)}"
        rows = []
        for length in range(1, of.max_length + 1):
            step = of.at_length(length)
            rows += [
                row_of(step, position, rank)._replace(unit=f"at most {length}")
                for rank in range(of.beam_size)
                if step.lengths[position, -1, rank]
            ]
        return title, rows


def unit_of(explanations: Record, neuron: int) -> Unit:
    """One neuron, by its index in the layer."""
    return Unit(explanations, position_of(explanations, neuron))


def row_of(explanations: Record, position: int, rank: int = 0) -> Row:
    """One formula of a neuron, as text."""
    name = explanations.neuron_names[position]
    formula = explanations.formula(position, rank)
    if formula is None:
        status = str(explanations.status[position])
        return Row(name, f"({STATUS_WORDS.get(status, status)})", {})
    cells = {
        "AUROC": f"{explanations.scores[position, rank]:.4f}",
        "samples": f"{explanations.num_positives[position, rank]:,}",
    }
    held_out = explanations.held_out
    if held_out is not None:
        score = held_out.scores[position, rank]
        low, high = held_out.intervals[position, rank]
        cells["held out"] = "" if np.isnan(score) else f"{score:.4f}"
        cells["95 %"] = "" if np.isnan(low) else f"{low:.3f} to {high:.3f}"
        if held_out.is_alternative[position, rank]:
            cells["status"] = "alternative"
    if explanations.significance is not None and rank == 0:
        cells["q"] = f"{explanations.q_value[position]:.2g}"
        cells["status"] = str(explanations.status[position]).replace("_", " ")
    return Row(name, formula.to_words(), cells)


def layer_table(explanations: Record, *, rows: int = ROWS_SHOWN) -> Group:
    """The first neurons, for a terminal.

    >>> from rich.console import Console
    >>> from invert_jax import Concepts, Options, explain
    >>> concepts = Concepts.from_labels([0, 1, 2] * 50, ["cat", "dog", "fish"])
    >>> values = np.array([0.0, 2.0, 1.0] * 50)[:, None]
    >>> labels = explain(
    ...     values, concepts, min_fraction=0.2, options=Options(progress=False))
    >>> Console(width=60, highlight=False).print(layer_table(labels))
    Explanations(1 neurons, 1 labeled, max_length=3, beam_size=5)
    unit  formula  AUROC   samples
       0  dog      1.0000       50
    """
    parts: list[RenderableType] = [Text(repr(explanations))]
    shown = _first_rows(explanations, rows)
    if shown:
        parts.append(FittedTable(shown))
    if explanations.num_neurons > rows:
        parts.append(Text(_hidden(explanations, rows)))
    return Group(*parts)


def to_text(explanations: Record, *, rows: int = ROWS_SHOWN) -> str:
    """A table of the first neurons, as text."""
    lines = [_text_cells(explanations, at) for at in range(len(explanations))[:rows]]
    longest = max((len(line[1]) for line in lines), default=0)
    least, most = {"formula": min(longest, LEAST_FORMULA)}, {"neuron": MOST_NAME}
    table = Table(box=None)
    for name in _text_columns(explanations):
        is_word = name in ("formula", "status")
        justify: JustifyMethod = "left" if is_word else "right"
        table.add_column(
            name, justify=justify, overflow="fold", min_width=least.get(name),
            max_width=most.get(name),
        )  # fmt: skip
    for line in lines:
        table.add_row(*map(Text, line))
    parts: list[RenderableType] = [table]
    if len(explanations) > rows:
        parts.append(Text(_hidden(explanations, rows)))
    return f"{explanations!r}\n{printed(Group(*parts))}"


def layer_html(explanations: Record, *, rows: int = ROWS_SHOWN) -> str:
    """The first neurons, for a notebook; names are escaped."""
    shown = _first_rows(explanations, rows)
    parts = [f"<p>{html.escape(repr(explanations))}</p>"]
    if shown:
        parts.append(rows_as_html(shown))
    if explanations.num_neurons > rows:
        parts.append(f"<p>{html.escape(_hidden(explanations, rows))}</p>")
    return "".join(parts)


def _first_rows(explanations: Record, rows: int) -> list[Row]:
    shown = range(min(rows, explanations.num_neurons))
    return [row_of(explanations, position) for position in shown]


def _hidden(explanations: Record, rows: int) -> str:
    return (
        f"... and {explanations.num_neurons - rows} more; `to_pandas()` has them all."
    )


def _text_columns(explanations: Record) -> list[str]:
    """Headings of the text table."""
    columns = ["neuron", "formula", "AUROC", "samples", "log10 p"]
    if explanations.held_out is not None:
        columns += ["held out", "95 %"]
    return columns + (["q", "status"] if explanations.significance is not None else [])


def _text_cells(explanations: Record, position: int) -> list[str]:
    """One row of the text table."""
    name = explanations.neuron_names[position]
    formula, held_out = explanations.formula(position), explanations.held_out
    status = explanations.status[position].replace("_", " ")
    if formula is None:
        return [name, f"({status})"]
    cells = [
        name,
        str(formula),
        f"{explanations.scores[position, 0]:.4f}",
        str(explanations.num_positives[position, 0]),
        f"{explanations.log10_p[position, 0]:.1f}",
    ]
    if held_out is not None:
        low, high = held_out.intervals[position, 0]
        interval = "" if np.isnan(low) else f"{low:.3f}-{high:.3f}"
        score = held_out.scores[position, 0]
        shown = f"{score:.4f}" if held_out.num_positives[position, 0] else ""
        cells += [shown, f"{interval} {held_out.notes[position]}".strip()]
    if explanations.significance is not None:
        cells += [f"{explanations.q_value[position]:.3g}", status]
    return cells
