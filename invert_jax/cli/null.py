"""`invert-jax null`: which labels are no better than chance."""

import argparse

from invert_jax.cli.sources import read_concepts
from invert_jax.cli.words import add_quiet, make
from invert_jax.engine.folders import CONCEPTS_AT, recorded_place, result_folders
from invert_jax.engine.null_distribution import null_distribution
from invert_jax.explanations.explanations import Explanations
from invert_jax.settings import Options

ABOUT = """\
Search meaningless units (random permutations) in the very way in which the labels in
a folder were found, and give every label a p-value that is valid after the search, a
q-value, and the status `chance` where it is no better than that. The folder is
written anew, with these columns.

The concepts are found where they were when the labels were made; name them if they
have moved.
"""
EXAMPLE = """\
example:
  invert-jax explain acts.npy masks.csv -o labels --min-fraction 0.002 --holdout 0.5
  invert-jax null labels
  invert-jax report labels -o report.html
"""


def add_to(commands) -> None:
    """The command and its options."""
    null = make(
        commands.add_parser,
        "null",
        help="tell labels from chance",
        description=ABOUT,
        epilog=EXAMPLE,
    )
    null.add_argument("results", metavar="DIR", help="what `explain -o` wrote")
    null.add_argument(
        "--draws", type=int, default=2000, metavar="N",
        help="meaningless units per pattern of ties; no p-value is below 1 / (1 + N) "
        "(default: %(default)s)",
    )  # fmt: skip
    null.add_argument(
        "--alpha", type=float, default=0.05, metavar="A",
        help="share of false labels to accept among those that stay "
        "(default: %(default)s)",
    )  # fmt: skip
    null.add_argument(
        "--key", type=int, default=0, metavar="K",
        help="a whole number that decides what is drawn (default: %(default)s)",
    )  # fmt: skip
    null.add_argument("--concepts", metavar="CONCEPTS", help="if they moved")
    null.add_argument(
        "--keep", metavar="DIR",
        help="keep the draws there, for other runs and for this one if it is killed",
    )  # fmt: skip
    add_quiet(null)
    null.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Draw the null of all layers, judge the labels, write and print them."""
    folders = result_folders(parsed.results)
    found = {str(folder): Explanations.load(folder) for folder in folders}
    first = next(iter(found.values()))
    source = parsed.concepts or recorded_place(first, CONCEPTS_AT)
    if source is None:
        raise ValueError(
            "--concepts must name the concepts; they are not where they were when "
            f"{parsed.results} was made."
        )
    null = null_distribution(
        read_concepts(source, progress=not parsed.quiet),
        found,
        num_draws=parsed.draws,
        key=parsed.key,
        options=Options(progress=not parsed.quiet, output=parsed.keep),
    )
    judged = {
        folder: layer.with_null(null, alpha=parsed.alpha)
        for folder, layer in found.items()
    }
    for folder, layer in judged.items():
        layer.save(folder)
        print(layer)
    print(f"\nWritten to {parsed.results}.")
    return 0
