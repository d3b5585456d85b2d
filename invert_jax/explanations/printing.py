"""Tables for people: as text in a terminal, as HTML in a notebook, as Markdown."""

import html
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich import table as rich_table
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, JustifyMethod, RenderableType
from rich.text import Text

CELL = "padding:2px 10px;text-align:{};white-space:{};vertical-align:top"
FORMULA = "formula"
# A narrow terminal goes without some columns, the first first, for the formula's sake.
DISPENSABLE = ("log10 p", "95 %", "samples", "q", "held out")
LEAST_FORMULA, MOST_NAME = 20, 12
# Columns of words start at the left; numbers end at the right.
WORDS = re.compile(r"formula|status|outcome|label .*", re.DOTALL)
# What Markdown could take for markup.
MARKUP = re.compile(r"([\\`*_{}\[\]()<>#+!|~&$-])")


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
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[rich_table.Table]:
        """The table with as many columns as leave the formula room."""
        shown = list(self.headings)
        if FORMULA in shown:
            wanted = min(self._width(FORMULA), LEAST_FORMULA)
            for heading in DISPENSABLE:
                if self._room(shown, options.max_width) >= wanted:
                    break
                shown = [name for name in shown if name != heading]
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
        rows = (self.headings, rule, *escaped)
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)

    def _column(self, heading: str) -> list[str]:
        at = self.headings.index(heading)
        return [line[at] for line in self.lines]

    def _width(self, heading: str) -> int:
        return max(map(cell_len, (heading, *self._column(heading))))

    def _room(self, shown: Sequence[str], width: int) -> int:
        """Columns of the terminal that are left for the formula."""
        first, *others = (name for name in shown if name != FORMULA)
        # Two spaces stand between columns.
        taken = sum(2 + self._width(name) for name in others)
        return width - taken - min(MOST_NAME, self._width(first)) - 2

    def _with(self, shown: Sequence[str]) -> rich_table.Table:
        """Some of the columns; long words go over several lines, numbers never."""
        table = rich_table.Table(box=None, pad_edge=False)
        has_formula = FORMULA in shown
        for place, name in enumerate(shown):
            justify: JustifyMethod = "left" if WORDS.fullmatch(name) else "right"
            is_name = has_formula and place == 0
            width = min(MOST_NAME, self._width(name)) if is_name else None
            table.add_column(
                Text(name), justify=justify, overflow="fold", min_width=width,
                max_width=width,
                no_wrap=has_formula and not is_name and name != FORMULA,
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
    return MARKUP.sub(r"\\\1", " ".join(text.splitlines()))


def hidden_rows(count: int) -> str:
    """What stands below a table of the first rows."""
    return f"... and {count} more; `to_pandas()` has them all."


def printed(shown: RenderableType) -> str:
    """What a terminal of 100 columns shows, as text."""
    text = io.StringIO()
    Console(file=text, width=100, color_system=None).print(shown)
    return "\n".join(map(str.rstrip, text.getvalue().splitlines()))
