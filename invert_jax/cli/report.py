"""`invert-jax report`: explanations as one page to read."""

import argparse

from invert_jax.activations.store.opening import read_activations
from invert_jax.analyses.comparison import MATCHES, Comparison, compare
from invert_jax.cli.sources import read_concepts, read_images
from invert_jax.cli.words import add_quiet, make, names_of_folders, say_moved
from invert_jax.concepts.table import Concepts
from invert_jax.engine.folders import (
    ACTIVATIONS_AT,
    CONCEPTS_AT,
    load_results,
    moved_place,
    recorded_place,
)
from invert_jax.explanations.explanations import Explanations
from invert_jax.reports.page import report

ABOUT = """\
Write one offline HTML page from the folder that `invert-jax explain` wrote: a table of
all neurons, and a card for each with its top samples, distributions and curves.

The activations and concepts are found where they were when they were explained; name
them if they have moved. Without them the page shows what it can and says so.
"""
EXAMPLE = """\
examples:
  invert-jax report labels -o report.html
  invert-jax report labels_epoch_9 --compare labels_epoch_1 -o report.html
"""


def add_to(commands) -> None:
    """The command and its options."""
    report = make(
        commands.add_parser,
        "report",
        help="one offline page from a folder of labels",
        description=ABOUT,
        epilog=EXAMPLE,
    )
    report.add_argument("results", metavar="DIR", help="what `explain -o` wrote")
    report.add_argument(
        "-o", "--output", default="report.html", metavar="FILE",
        help="the page (default: %(default)s)",
    )  # fmt: skip
    report.add_argument("--activations", metavar="ACTIVATIONS", help="if they moved")
    report.add_argument("--concepts", metavar="CONCEPTS", help="if they moved")
    report.add_argument(
        "--images",
        metavar="IMAGES",
        help="of the samples: tfds:NAME:SPLIT, or a folder whose files are the ids",
    )
    report.add_argument(
        "--compare", metavar="DIR", help="earlier or other labels, to be compared with"
    )
    report.add_argument(
        "--match", choices=MATCHES, default=MATCHES[0],
        help="how --compare pairs units (default: %(default)s)",
    )  # fmt: skip
    report.add_argument("--title", help="heading of the page")
    add_quiet(report)
    report.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Load the results and what they were made of; write the page."""
    explanations = load_results(parsed.results)
    first = next(iter(explanations.values()))
    activations_at = parsed.activations or recorded_place(first, ACTIVATIONS_AT)
    concepts_at = parsed.concepts or recorded_place(first, CONCEPTS_AT)
    if activations_at is None:
        say_moved("activations", moved_place(first, ACTIVATIONS_AT))
    if concepts_at is None:
        say_moved("concepts", moved_place(first, CONCEPTS_AT))
    activations = None if activations_at is None else read_activations(activations_at)
    concepts = None
    if concepts_at is not None:
        concepts = read_concepts(concepts_at, progress=not parsed.quiet)
    compared = None
    if parsed.compare is not None:
        compared = _compared(parsed, explanations, concepts)
    page = report(
        explanations if len(explanations) > 1 else first,
        parsed.output,
        activations=_matching(activations, len(explanations)),
        concepts=concepts,
        images=None if parsed.images is None else read_images(parsed.images),
        comparison=compared,
        title=parsed.title,
        progress=not parsed.quiet,
    )
    print(f"Written to {page}; open it in any browser.")
    return 0


def _compared(
    parsed: argparse.Namespace,
    explanations: dict[str, Explanations],
    concepts: Concepts | None,
) -> dict[str, Comparison]:
    """What became of the labels of the other folder, by layer."""
    others = load_results(parsed.compare)
    if len(others) == len(explanations) == 1:
        others = dict(zip(explanations, others.values(), strict=True))
    shared = [name for name in explanations if name in others]
    if not shared:
        raise ValueError(
            f"--compare must name results of the same layers; {parsed.compare} has "
            f"{', '.join(others)}, and {parsed.results} has {', '.join(explanations)}."
        )
    names = names_of_folders(parsed.compare, parsed.results)
    return {
        name: compare(
            others[name], explanations[name], match=parsed.match, concepts=concepts,
            names=names,
        )
        for name in shared
    }  # fmt: skip


def _matching(activations, num_layers: int):
    """The one layer of a file of one layer."""
    if isinstance(activations, dict) and num_layers == 1 and len(activations) == 1:
        return next(iter(activations.values()))
    return activations
