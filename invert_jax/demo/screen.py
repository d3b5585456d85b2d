"""What the demo says before it starts and when it is done."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int
from rich.console import Console

from invert_jax import Explanations
from invert_jax.demo.self_check import Check

NUM_SHOWN = 10

INTRODUCTION = (
    "What does each neuron of a network respond to? A small network learns to "
    "read handwritten digits; each of its neurons is then described by a short formula "
    "over what is true of the images: which digit it is, and how it is written. Half "
    "of the images train the network, a quarter choose the formulas, and a quarter "
    "judge them.\n"
)
LEGEND = (
    "AUROC: how often the neuron is higher on an image that fits the formula than on "
    "one that does not, where a tie counts half; 1 is always, 0.5 a coin toss. Held "
    "out: the same on images that had no part in choosing the formula; shown is the "
    "shortest formula that is as good there as longer ones. Top 20: on what share of "
    "the 20 highest of those images it holds; AP, average precision: the same down to "
    "each image where it holds. q: of neurons "
    "as good or better, the share that the search would find in neurons without a "
    "meaning; above {alpha} the status is chance, and the formula is not to be used.\n"
    "For example, neuron {example.neuron} of hidden, in files and in Python "
    "{example.formula}, is higher on an image that fits than on one that does not in "
    "{example.score:.1%} of all pairs.{longest}\n"
)
NEXT = """\
What to try next
  open the page of all neurons in a browser  {output}/report.html
  read the labels of a layer as a table      {output}/labels/hidden.csv
  find the neurons for a concept, in Python
      import invert_jax as ij
      hidden = ij.Explanations.load("{output}/explanations/hidden")
      print(hidden.take(hidden.neurons_for("six")))
  allow longer formulas, and look at them
      invert-jax explain {words}/activations.npz {words}/concepts.npz \\
          --max-length 5 --min-fraction {min_fraction} --holdout 0.5 --simplest \\
          -o {words}/longer
      invert-jax report {words}/longer -o {words}/longer.html
  explain your own model on your own data    the README, step by step
"""


def show_labels(
    console: Console, explanations: Mapping[str, Explanations], *, alpha: float
) -> None:
    """Print the best labels of each layer, from the last layer down, and the legend."""
    for layer, found in reversed(list(explanations.items())):
        best = found.take(best_first(found)[:NUM_SHOWN])
        title = f"{layer}: the best {len(best)} of {len(found)} neurons"
        console.print(title, style="bold", markup=False)
        console.print(best, "")
    hidden = explanations["hidden"]
    order = best_first(hidden).tolist()
    shorter = (each for each in order if hidden.longest(each) is not None)
    position = next(shorter, order[0])
    example = hidden.unit(int(hidden.neurons[position]))
    legend = LEGEND.format(
        alpha=alpha, example=example, longest=longest_of(hidden, position)
    )
    console.print(legend, markup=False)


def longest_of(explanations: Explanations, position: int) -> str:
    """What the longest formula of a neuron says more, if its label is a shorter one."""
    longest = explanations.longest(position)
    if longest is None:
        return ""
    full = explanations.at_length(explanations.max_length)
    assert full.held_out is not None and explanations.held_out is not None
    return (
        f" The best of up to {full.max_length} literals, {longest}, is so in "
        f"{full.scores[position, 0]:.1%}; held out that is "
        f"{full.held_out.scores[position, 0]:.4f}, the shorter one "
        f"{explanations.held_out.scores[position, 0]:.4f}."
    )


def best_first(explanations: Explanations) -> Int[np.ndarray, " neurons"]:
    """Places of the neurons by falling score, that on held-out samples if it is known.

    Those called chance and those without a formula are last.
    """
    judged = explanations.held_out or explanations
    is_labeled = explanations.status == "labeled"
    return np.lexsort((-judged.scores[:, 0], ~is_labeled))


def show_checks(console: Console, checks: Sequence[Check]) -> None:
    """Print what was checked and whether it is right."""
    console.print("Checked where the truth is known")
    for check in checks:
        mark = "[green]✓[/]" if check.passed else "[red]✗[/]"
        console.print(f"  {mark} {check.fact}")
    console.print()


def show_next(console: Console, output: Path, *, min_fraction: float) -> None:
    """Print where the results are and what can be done with them."""
    text = NEXT.format(
        output=output,
        words=shlex.quote(str(output)),
        min_fraction=min_fraction,
    )
    console.print(text, markup=False, soft_wrap=True)
