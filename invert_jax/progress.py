"""The one progress bar of long work, on the error stream."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from invert_jax.checks import printable


class RateColumn(ProgressColumn):
    """Things done, and things per second."""

    def __init__(self, things: str):
        super().__init__()
        self.things = things

    def render(self, task: Task) -> Text:
        """The text of one task."""
        done = task.completed - task.fields["start_at"]
        rate = done / task.elapsed if task.elapsed else 0.0
        return Text(f"{int(task.completed):,} {self.things}, {rate:,.0f}/s")


@contextmanager
def progress_bar(
    title: str,
    total: int | None,
    *,
    things: str,
    show: bool,
    start: int = 0,
    stays: bool = False,
) -> Iterator[Callable[[int], None]]:
    """Shows a bar and gives the function that moves it on.

    Args:
        title: What is being done; names in it are not markup, and act on no terminal.
        total: Things in all; None if that is not known.
        things: What is counted, such as "neurons".
        show: Whether to show anything.
        start: Things done before.
        stays: Whether the bar stays when all is done.

    >>> with progress_bar("count", 3, things="numbers", show=False) as advance:
    ...     advance(3)
    """
    console = Console(stderr=True)
    # A bar that goes again would leave an empty line in a file.
    seen = stays or console.is_terminal or console.is_jupyter
    if not (show and seen):
        yield lambda count: None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        RateColumn(things),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=not stays) as bar:
        task = bar.add_task(
            printable(title), total=total, completed=start, start_at=start
        )
        yield lambda count: bar.advance(task, count)
        bar.update(task, total=bar.tasks[task].completed)
