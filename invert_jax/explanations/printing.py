"""Tables as text for a terminal and as HTML for a notebook."""

import html
import io
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from rich.cells import cell_len
from rich.console import (
    Console,
    ConsoleOptions,
    JustifyMethod,
    RenderableType,
)
from rich.table import Table
from rich.text import Text

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


def rows_as_html(rows: list[Row]) -> str:
    """Rows as a table for a notebook."""
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
