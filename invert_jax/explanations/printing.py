"""What `print` shows: labels as tables in a terminal, a notebook and Markdown."""

import html
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from invert_jax.checks import printable
from invert_jax.explanations.label_notes import RARER_CONCEPT, notes_of
from invert_jax.explanations.record import Record
from invert_jax.explanations.shares import have_kinds, shares_of

if TYPE_CHECKING:
    import rich.console
    import rich.table

ROWS_SHOWN = 20
STATUS_WORDS = {
    "constant": "the same activation on every sample",
    "no_candidate": "no formula within the bounds",
    "chance": "a search finds one as good by chance",
}
CELL = "padding:2px 10px;text-align:{};white-space:{};vertical-align:top"
FORMULA = "formula"
# Held-out scores of the best formula of at most 1, 2, ... literals.
BY_LENGTH = "by length"
# The best formula of all lengths, where the label is a shorter one.
LONGEST = "longest"
NOTES = "notes"
AVERAGE_PRECISION = "AP"
# For the formula's sake a narrow terminal has those of these that fit, the last first.
DISPENSABLE = (
    *(LONGEST, "log10 p", "samples", AVERAGE_PRECISION, BY_LENGTH, "q", "95 %"),
    *(NOTES, "held out"),
)
LEAST_FORMULA, MOST_NAME, MOST_NOTES = 20, 12, 14
# Columns of words start at the left; numbers end at the right.
WORDS = re.compile(r"formula|longest|status|outcome|notes|label .*", re.DOTALL)
# What Markdown could take for markup.
MARKUP = re.compile(r"([\\`*_{}\[\]()<>#+!|~&$]|^-)")


@dataclass(frozen=True)
class Table:
    r"""Rows of text under headings; what stands in a cell is text, never markup.

    Attributes:
        headings: One per column; the first column names the rows.
        lines: The cells of each row.

    >>> table = Table(("neuron", "formula"), [("0", "<b> AND dog")])
    >>> print(printed(table))
    neuron  formula
         0  <b> AND dog
    >>> "&lt;b&gt; AND dog" in table.to_html()
    True
    >>> print(table.to_markdown())
    | neuron | formula |
    | --- | --- |
    | 0 | \<b\> AND dog |
    """

    headings: Sequence[str]
    lines: Sequence[Sequence[str]]

    def __rich_console__(
        self,
        console: "rich.console.Console",
        options: "rich.console.ConsoleOptions",
    ) -> Iterator["rich.table.Table"]:
        """The table with as many columns as leave the formula room."""
        shown = list(self.headings)
        if FORMULA in shown:
            wanted = min(self._width(FORMULA), LEAST_FORMULA)
            shown = [name for name in shown if name not in DISPENSABLE]
            for heading in reversed(DISPENSABLE):
                more = [n for n in self.headings if n in shown or n == heading]
                if self._room(more, options.max_width) >= wanted:
                    shown = more
        yield self._with(shown)

    def to_html(self) -> str:
        """The table for a notebook."""
        rows = []
        for tag, line in (("th", self.headings), *(("td", row) for row in self.lines)):
            cells = (
                f'<{tag} style="{CELL.format(*_html_style(name))}">'
                f"{html.escape(cell)}</{tag}>"
                for name, cell in zip(self.headings, line, strict=True)
            )
            rows.append(f"<tr>{''.join(cells)}</tr>")
        return f"<table>{''.join(rows)}</table>"

    def to_markdown(self) -> str:
        """The table in Markdown."""
        rule = ["---"] * len(self.headings)
        escaped = ([escaped_markdown(cell) for cell in line] for line in self.lines)
        headings = [escaped_markdown(heading) for heading in self.headings]
        rows = (headings, rule, *escaped)
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)

    def _column(self, heading: str) -> list[str]:
        at = self.headings.index(heading)
        return [printable(line[at]) for line in self.lines]

    def _width(self, heading: str, *, is_name: bool = False) -> int:
        from rich.cells import cell_len

        width = max(map(cell_len, (heading, *self._column(heading))))
        if is_name:
            return min(width, MOST_NAME)
        return min(width, MOST_NOTES) if heading == NOTES else width

    def _room(self, shown: Sequence[str], width: int) -> int:
        """Columns of the terminal that are left for the formula."""
        first, *others = (name for name in shown if name != FORMULA)
        # Two spaces stand between columns.
        taken = sum(2 + self._width(name) for name in others)
        return width - taken - self._width(first, is_name=True) - 2

    def _with(self, shown: Sequence[str]) -> "rich.table.Table":
        """Some of the columns; long words go over several lines, numbers never."""
        from rich.table import Table as RichTable
        from rich.text import Text

        table = RichTable(box=None, pad_edge=False)
        has_formula = FORMULA in shown
        for place, name in enumerate(shown):
            is_name = has_formula and place == 0
            is_folded = is_name or name == NOTES
            width = self._width(name, is_name=is_name) if is_folded else None
            table.add_column(
                Text(printable(name)),
                justify="left" if WORDS.fullmatch(name) else "right", overflow="fold",
                min_width=width, max_width=width,
                no_wrap=has_formula and not is_folded and name != FORMULA,
            )  # fmt: skip
        for line in zip(*map(self._column, shown), strict=True):
            table.add_row(*map(Text, line))
        return table


def _html_style(heading: str) -> tuple[str, str]:
    return ("left", "normal") if WORDS.fullmatch(heading) else ("right", "nowrap")


def escaped_markdown(text: str) -> str:
    r"""Text that Markdown shows as it is.

    >>> print(escaped_markdown("<b>|x_1|"))
    \<b\>\|x\_1\|
    """
    return MARKUP.sub(r"\\\1", printable(" ".join(text.splitlines())))


@dataclass(frozen=True)
class Listing:
    """A heading above the first rows of a table.

    Attributes:
        heading: What is listed.
        table: The rows shown.
        total: Rows there are.
        bold: Whether the heading is.
        about: A line below the heading; "" for none.

    >>> table = Table(("neuron", "formula"), [("0", "cat"), ("1", "dog")])
    >>> print(Listing("Three neurons", table, total=3))
    Three neurons
    neuron  formula
         0  cat
         1  dog
    ... and 1 more; `to_pandas()` has them all.
    """

    heading: str
    table: Table
    total: int
    bold: bool = False
    about: str = ""

    def __str__(self) -> str:
        return printed(self)

    def __rich__(self) -> "rich.console.Group":
        from rich.console import Group
        from rich.text import Text

        parts: list[Any] = [
            Text(printable(self.heading), style="bold" if self.bold else "")
        ]
        if self.about:
            parts.append(Text(printable(self.about)))
        if self.table.lines:
            parts.append(self.table)
        if self._rest:
            parts.append(Text(self._rest))
        return Group(*parts)

    def to_html(self) -> str:
        """The same for a notebook; names are escaped."""
        heading = html.escape(self.heading)
        parts = [f"<p><b>{heading}</b></p>" if self.bold else f"<p>{heading}</p>"]
        if self.about:
            parts.append(f"<p>{html.escape(self.about)}</p>")
        if self.table.lines:
            parts.append(self.table.to_html())
        if self._rest:
            parts.append(f"<p>{html.escape(self._rest)}</p>")
        return "".join(parts)

    @property
    def _rest(self) -> str:
        hidden = self.total - len(self.table.lines)
        return f"... and {hidden} more; `to_pandas()` has them all." if hidden else ""


def printed(shown: Any) -> str:
    """What a terminal of 100 columns shows, as text."""
    from rich.console import Console

    text = io.StringIO()
    # In a notebook rich would display it instead.
    console = Console(file=text, width=100, color_system=None, force_jupyter=False)
    console.print(shown)
    return "\n".join(map(str.rstrip, text.getvalue().splitlines()))


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
        # Not "-0.0".
        "log10 p": f"{round(record.log10_p[position, rank], 1) + 0.0:.1f}",
    }
    if held_out is not None:
        score = held_out.scores[position, rank]
        low, high = held_out.intervals[position, rank]
        interval = "" if np.isnan(low) else f"{low:.3f}-{high:.3f}"
        note = str(held_out.notes[position]) if rank == 0 else ""
        cells["held out"] = "" if np.isnan(score) else f"{score:.4f}"
        cells["95 %"] = f"{interval} {note}".strip()
        if held_out.is_alternative[position, rank]:
            cells["status"] = "alternative"
        if rank == 0:
            scores = held_out.scores_by_length[position]
            cells[BY_LENGTH] = " ".join(map(_short, scores.tolist()))
    longest = record.longest(position) if rank == 0 else None
    if longest is not None:
        cells[LONGEST] = longest.to_words()
    if record.panel is not None and rank == 0:
        end = "low" if record.settings.sign == "negative" else "top"
        top = f"{end} {record.panel.precision_at}"
        for name, heading in (("average_precision", AVERAGE_PRECISION),
                              ("precision_at_top", top)):  # fmt: skip
            cells[heading] = _short(float(record.panel[name][position]))
    if record.significance is not None and rank == 0:
        cells["q"] = f"{record.q_value[position]:.2g}"
        cells["status"] = status.replace("_", " ")
    return cells


def _short(number: float) -> str:
    """A share of two digits, or a dash.

    >>> _short(0.874), _short(1.0), _short(float("nan"))
    ('.87', '1.0', '-')
    """
    if np.isnan(number):
        return "-"
    text = f"{number:.2f}"
    return text[1:] if text.startswith("0") else text[:3]


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


def row_of(record: Record, position: int, rank: int = 0) -> dict[str, str]:
    """The cells of one formula, with what to know of it if it is the label."""
    notes = notes_of(record.take([position]))[0] if rank == 0 else ()
    return cells_of(record, position, rank) | note_cell(notes)


def note_cell(notes: Sequence[str]) -> dict[str, str]:
    """What to know of a label, in a few words: the kinds, and a rarer concept's name.

    >>> note_cell(["at_bound", "idle_literal: has_fur", "rarer_concept: n_t"])
    {'notes': 'at bound, idle literal, rarer concept n_t'}
    """
    parts = (note.partition(": ") for note in notes)
    words = (
        f"{code.replace('_', ' ')} {name if code == RARER_CONCEPT else ''}".strip()
        for code, _, name in parts
    )
    found = ", ".join(dict.fromkeys(words))
    return {NOTES: found} if found else {}


def labels_table(
    record: Record, positions: Iterable[int], *, all_ranks: bool = False
) -> Table:
    """The labels of some neurons, or all formulas of their beams."""
    ranks = range(record.beam_size if all_ranks else 1)
    rows = [
        (record.neuron_names[position], row_of(record, position, rank))
        for position in positions
        for rank in ranks
        if rank == 0 or record.lengths[position, -1, rank] > 0
    ]
    return table_of("neuron", rows)


def listing_of(record: Record) -> Listing:
    """The first neurons of a layer.

    >>> from invert_jax import Concepts, Options, explain
    >>> concepts = Concepts.from_labels([0, 1, 2] * 50, ["cat", "dog", "fish"])
    >>> values = np.array([0.0, 2.0, 1.0] * 50)[:, None]
    >>> labels = explain(
    ...     values, concepts, min_fraction=0.2, options=Options(progress=False))
    >>> print(listing_of(labels))
    Explanations(1 neurons, 1 labeled, max_length=3, beam_size=5)
    neuron  formula   AUROC  samples  log10 p
         0  dog      1.0000       50    -25.4
    """
    table = labels_table(record, range(len(record))[:ROWS_SHOWN])
    about = str(shares_of(record)) if have_kinds(record) else ""
    return Listing(repr(record), table, total=len(record), about=about)
