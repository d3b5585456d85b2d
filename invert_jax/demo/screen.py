"""What the demo says while it runs and when it is done."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from invert_jax.demo.labels import Label, best_first, in_words, table
from invert_jax.demo.self_check import Check

NUM_SHOWN = 10

INTRODUCTION = (
    "What does each unit of a neural network respond to? A small network learns to "
    "read handwritten digits; each of its units is then described by a short formula "
    "over what is true of the images: which digit it is, and how it is written.\n"
)
LEGEND = (
    "AUROC: how often the unit is higher on an image that fits the formula than on "
    "one that does not, where a tie counts half; 1 is always, 0.5 a coin toss. Held "
    "out: the same on images that had no part in choosing the formula. q: of the units "
    "as good or better, the share that the search would find in units without a "
    "meaning; above {alpha} the status is chance, and the formula is not to be used. "
    "Share: of the images, those that fit."
)
NEXT = """\
What to try next
  open the page of all units in a browser    {output}/report.html
  read the label of every unit               {output}/labels.csv
  read what each concept means               {output}/concepts.csv
  find the units for a concept, in Python
      import invert_jax as ij
      explanations = ij.Explanations.load("{output}/explanations/hidden")
      print(explanations.neurons_for("six"))
  allow longer formulas
      invert-jax explain {output}/activations/hidden.npy {output}/concepts.npz \\
          --max-length 5 --min-fraction {min_fraction} -o {output}/longer
  explain your own model on your own data    the README, step by step
"""


class Steps:
    """One line per step of a long job: what it is, how far it is, how long it took.

    >>> with Steps(Console(), visible=False) as steps:
    ...     with steps.step("Count to three", 3) as advance:
    ...         for _ in range(3):
    ...             advance()
    """

    def __init__(self, console: Console, *, visible: bool = True):
        self._progress = Progress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            disable=not visible,
        )

    def __enter__(self) -> "Steps":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    @contextmanager
    def step(self, description: str, parts: int = 1) -> Iterator[Callable[[], None]]:
        """A step of so many parts; call what it gives when a part is done."""
        task = self._progress.add_task(description, total=parts)
        yield lambda: self._progress.advance(task)
        self._progress.update(task, completed=parts)


def show_introduction(console: Console) -> None:
    """Print what the demo is about."""
    console.print(INTRODUCTION)


def show_legend(console: Console, example: Label, *, alpha: float) -> None:
    """Print what the columns of the tables mean, with a label for an example."""
    console.print(LEGEND.format(alpha=alpha))
    console.print(
        f"For example: of an image that is {in_words(example.formula)!r} and one that "
        f"is not, both new to the search, unit {example.neuron} of {example.layer} is "
        f"higher on the first in {example.held_out:.1%} of all pairs, ties counted "
        "half.\n",
        markup=False,
    )


def show_next(console: Console, output: Path, min_fraction: float) -> None:
    """Print where the results are and what can be done with them."""
    text = NEXT.format(output=output, min_fraction=min_fraction)
    console.print(text, markup=False, soft_wrap=True)


def show_layer(
    console: Console,
    layer: str,
    labels: Sequence[Label],
    *,
    num_shown: int = NUM_SHOWN,
) -> None:
    """Print the labels of a layer, or the best `num_shown` if there are more."""
    title, shown = f"{layer}: {len(labels)} units", labels
    if len(labels) > num_shown:
        title, shown = f"{title}, the best {num_shown}", best_first(labels)[:num_shown]
    console.print(table(shown, title=title))
    console.print()


def show_checks(console: Console, checks: Sequence[Check]) -> None:
    """Print what was checked and whether it is right."""
    console.print("Checked where the truth is known")
    for check in checks:
        mark = "[green]✓[/]" if check.passed else "[red]✗[/]"
        console.print(f"  {mark} {check.description}")
    console.print()
