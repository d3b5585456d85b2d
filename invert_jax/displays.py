"""Explanations as they show in a terminal and in a notebook: a layer, and one unit."""

import html
import io
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from rich.cells import cell_len
from rich.console import (
    Console,
    ConsoleOptions,
    Group,
    JustifyMethod,
    RenderableType,
)
from rich.table import Table
from rich.text import Text

from invert_jax.explanations import LABELED, Explanations
from invert_jax.formula.formula import Formula
from invert_jax.lookups import position_of

ROWS_SHOWN = 20
STATUS_WORDS = {
    "constant": "the same activation on every sample",
    "no_candidate": "no formula within the bounds",
    "chance": "a search finds one as good by chance",
}
CELL = "padding:2px 10px;text-align:{};white-space:{};vertical-align:top"
# A narrow terminal goes without some, the first first, for the formula's sake.
LEAST_FORMULA, MOST_NAME = 20, 12
DISPENSABLE = ("95 %", "samples", "q", "held out")
WORDS, NUMBER = ("left", "normal"), ("right", "nowrap")


class Row(NamedTuple):
    """One formula of one unit, as text.

    Attributes:
        unit: Name of the unit.
        formula: In words; why there is none if there is none.
        cells: What else is known of it, by heading.
    """

    unit: str
    formula: str
    cells: dict[str, str]


@dataclass(frozen=True, eq=False, repr=False)
class Unit:
    """One neuron and what it responds to; shows well where it is printed.

    Attributes:
        explanations: Those of its layer.
        position: Its position among them.
    """

    explanations: Explanations
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
            f"<p><b>{html.escape(heading)}</b></p>{_html_table(rows) if rows else ''}"
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


def unit_of(explanations: Explanations, neuron: int) -> Unit:
    """One neuron, by its index in the layer."""
    return Unit(explanations, position_of(explanations, neuron))


def row_of(explanations: Explanations, position: int, rank: int = 0) -> Row:
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


def layer_table(explanations: Explanations, *, rows: int = ROWS_SHOWN) -> Group:
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


def to_text(explanations: Explanations, *, rows: int = ROWS_SHOWN) -> str:
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


def layer_html(explanations: Explanations, *, rows: int = ROWS_SHOWN) -> str:
    """The first neurons, for a notebook; names are escaped."""
    shown = _first_rows(explanations, rows)
    parts = [f"<p>{html.escape(repr(explanations))}</p>"]
    if shown:
        parts.append(_html_table(shown))
    if explanations.num_neurons > rows:
        parts.append(f"<p>{html.escape(_hidden(explanations, rows))}</p>")
    return "".join(parts)


def _first_rows(explanations: Explanations, rows: int) -> list[Row]:
    shown = range(min(rows, explanations.num_neurons))
    return [row_of(explanations, position) for position in shown]


def _hidden(explanations: Explanations, rows: int) -> str:
    return (
        f"... and {explanations.num_neurons - rows} more; `to_pandas()` has them all."
    )


def _headings(rows: Sequence[Row]) -> list[str]:
    """The headings of all cells, in order."""
    return list(dict.fromkeys(name for row in rows for name in row.cells))


def _first_heading(rows: Sequence[Row]) -> str:
    return "literals" if rows[0].unit.startswith("at most") else "unit"


class FittedTable:
    """Rows for a terminal; where it is narrow, without what can be done without."""

    def __init__(self, rows: Sequence[Row]):
        self.rows = rows

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[Table]:
        """The table with as many columns as leave the formula room."""
        headings = _headings(self.rows)
        longest = max(cell_len(row.formula) for row in self.rows)
        wanted = min(longest, LEAST_FORMULA)
        for heading in DISPENSABLE:
            if self._room(headings, options.max_width) >= wanted:
                break
            headings = [each for each in headings if each != heading]
        yield self._with(headings)

    def _room(self, headings: Sequence[str], width: int) -> int:
        """Columns of the terminal that are left for the formula."""
        texts = [
            [name, *(row.cells.get(name, "") for row in self.rows)] for name in headings
        ]
        # Two spaces stand between columns.
        taken = sum(2 + max(map(cell_len, each)) for each in texts)
        return width - taken - self._unit_width - 2

    @property
    def _unit_width(self) -> int:
        """Room for the names of the units; longer ones go over several lines."""
        names = (_first_heading(self.rows), *(row.unit for row in self.rows))
        return min(MOST_NAME, max(map(cell_len, names)))

    def _with(self, headings: Sequence[str]) -> Table:
        table = Table(box=None, pad_edge=False)
        table.add_column(
            _first_heading(self.rows), justify="right", overflow="fold",
            min_width=self._unit_width, max_width=self._unit_width,
        )  # fmt: skip
        table.add_column("formula", overflow="fold", min_width=len("formula"))
        for name in headings:
            justify: JustifyMethod = "left" if name == "status" else "right"
            table.add_column(name, justify=justify, no_wrap=True)
        for row in self.rows:
            cells = (row.cells.get(name, "") for name in headings)
            table.add_row(*map(Text, (row.unit, row.formula, *cells)))
        return table


def _html_table(rows: list[Row]) -> str:
    headings = _headings(rows)
    lines = [
        (row.unit, row.formula, *(row.cells.get(each, "") for each in headings))
        for row in rows
    ]
    return html_table((_first_heading(rows), "formula", *headings), lines, left={1})


def html_table(
    headings: Sequence[str], lines: Iterable[Sequence[str]], *, left: Collection[int]
) -> str:
    """A table for a notebook; what stands in its cells is text, never markup.

    Args:
        headings: Of the columns.
        lines: The cells of each row.
        left: Columns of words, which start at the left; numbers end at the right.

    >>> "&lt;b&gt;" in html_table(["name"], [["<b>"]], left={0})
    True
    """
    written = []
    for at, line in enumerate((headings, *lines)):
        tag = "td" if at else "th"
        cells = (
            f'<{tag} style="{CELL.format(*(WORDS if column in left else NUMBER))}">'
            f"{html.escape(cell)}</{tag}>"
            for column, cell in enumerate(line)
        )
        written.append(f"<tr>{''.join(cells)}</tr>")
    return f"<table>{''.join(written)}</table>"


def printed(shown: RenderableType) -> str:
    """What a terminal of 100 columns shows, as text."""
    text = io.StringIO()
    Console(file=text, width=100, color_system=None).print(shown)
    return "\n".join(map(str.rstrip, text.getvalue().splitlines()))


def _text_columns(explanations: Explanations) -> list[str]:
    """Headings of the text table."""
    columns = ["neuron", "formula", "AUROC", "samples", "log10 p"]
    if explanations.held_out is not None:
        columns += ["held out", "95 %"]
    return columns + (["q", "status"] if explanations.significance is not None else [])


def _text_cells(explanations: Explanations, position: int) -> list[str]:
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
