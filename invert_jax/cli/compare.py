"""`invert-jax compare`: which labels two layers share."""

import argparse
from pathlib import Path

from invert_jax.analyses.comparison import MATCHES, compare
from invert_jax.cli.sources import read_concepts
from invert_jax.cli.words import make, names_of_folders, say_moved
from invert_jax.disk import whole_file
from invert_jax.engine.folders import (
    CONCEPTS_AT,
    load_results,
    moved_place,
    recorded_place,
)
from invert_jax.explanations.explanations import Explanations
from invert_jax.reports.page import report

ABOUT = """\
Compare the labels of two layers, checkpoints or models, from the folders that
`invert-jax explain` wrote: labels kept, changed, lost and new.
"""
EXAMPLE = """\
example:
  invert-jax compare labels_epoch_1 labels_epoch_9 -o changed.csv
"""


def add_to(commands) -> None:
    """The command and its options."""
    parser = make(
        commands.add_parser,
        "compare",
        help="labels kept, changed and lost between two results",
        description=ABOUT,
        epilog=EXAMPLE,
    )
    parser.add_argument("first", metavar="DIR")
    parser.add_argument("second", metavar="DIR")
    parser.add_argument(
        "--match", choices=MATCHES, default=MATCHES[0],
        help="pair units by index, or by best overlap of where their formulas hold "
        "(default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--concepts", metavar="CONCEPTS", help="if they moved, or were not the same"
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="a .csv, .parquet or .html to write"
    )
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Compare, print what became of the labels, and write it if asked to."""
    path = None if parsed.output is None else Path(parsed.output)
    if path is not None and path.suffix not in (".csv", ".parquet", ".html"):
        raise ValueError(f"-o must end in .csv, .parquet or .html; got {path.name}.")
    first, second = _one_layer(parsed.first), _one_layer(parsed.second)
    places = {recorded_place(each, CONCEPTS_AT) for each in (first, second)}
    shared = places.pop() if len(places) == 1 else None
    source = parsed.concepts or shared
    if source is None:
        say_moved("concepts", moved_place(first, CONCEPTS_AT))
    concepts = None if source is None else read_concepts(source)
    names = names_of_folders(parsed.first, parsed.second)
    comparison = compare(
        first, second, match=parsed.match, concepts=concepts, names=names
    )
    print(comparison)
    if path is None:
        return 0
    if path.suffix == ".html":
        report(second, path, concepts=concepts, comparison=comparison)
    else:
        _write_table(comparison.to_arrow(), path)
    print(f"\nWritten to {path}")
    return 0


def _one_layer(path: str) -> Explanations:
    """The result in a folder, if it is of one layer."""
    layers = load_results(path)
    if len(layers) > 1:
        raise ValueError(
            f"DIR must hold one layer; {path} has {', '.join(layers)}. Name the folder "
            "of one of them."
        )
    return next(iter(layers.values()))


def _write_table(table, path: Path) -> None:
    """One row per pair of units."""
    import pyarrow.csv
    import pyarrow.parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as draft:
        if path.suffix == ".csv":
            pyarrow.csv.write_csv(table, draft)
        else:
            pyarrow.parquet.write_table(table, draft)
