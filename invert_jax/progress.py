"""Progress of long work, with a rate, on the error stream."""

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


class RateColumn(ProgressColumn):
    """Samples done, and samples per second."""

    def render(self, task: Task) -> Text:
        """The text of one task."""
        done = task.completed - task.fields["start_at"]
        rate = done / task.elapsed if task.elapsed else 0.0
        return Text(f"{int(task.completed):,} samples, {rate:,.0f}/s")


@contextmanager
def sample_progress(
    title: str, total: int | None, *, start: int = 0, show: bool
) -> Iterator[Callable[[int], None]]:
    """Shows a bar and gives the function that moves it on by a number of samples."""
    columns = (TextColumn(title), BarColumn(), RateColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not show) as bar:
        task = bar.add_task(title, total=total, completed=start, start_at=start)
        yield lambda num_samples: bar.advance(task, num_samples)
        bar.update(task, total=bar.tasks[task].completed)
