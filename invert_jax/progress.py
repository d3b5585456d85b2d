"""The one progress bar of long work, on the error stream."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from invert_jax.checks import printable


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
    if not show:
        yield lambda count: None
        return
    from rich import progress
    from rich.console import Console

    console = Console(stderr=True)
    # A bar that goes again would leave an empty line in a file.
    if not (stays or console.is_terminal or console.is_jupyter):
        yield lambda count: None
        return
    columns = (
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.TextColumn(
            f"{{task.completed:,.0f}} {things}, {{task.fields[rate]:,.0f}}/s"
        ),
        progress.TimeElapsedColumn(),
    )
    with progress.Progress(*columns, console=console, transient=not stays) as bar:
        name = bar.add_task(printable(title), total=total, completed=start, rate=0.0)
        task = bar.tasks[name]

        def advance(count: int) -> None:
            done = task.completed + count - start
            rate = done / task.elapsed if task.elapsed else 0.0
            bar.update(name, advance=count, rate=rate)

        yield advance
        bar.update(name, total=task.completed)
