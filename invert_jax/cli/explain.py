"""`invert-jax explain`: a formula for each neuron of a layer."""

import argparse
from pathlib import Path
from typing import Any

from invert_jax.activations.store.opening import read_activations
from invert_jax.checks import check_fraction
from invert_jax.cli.sources import read_concepts
from invert_jax.cli.words import add_quiet, make
from invert_jax.engine.explaining import explain_from
from invert_jax.engine.folders import output_folders, places_of
from invert_jax.explanations.panel import PRECISION_AT
from invert_jax.explanations.simplest import LARGER_IS_BETTER, TOLERANCE
from invert_jax.settings import SIGNS, Options, SearchSettings

DEFAULTS = SearchSettings()
ABOUT = """\
Find for each neuron the formula, such as "box & ~mailbox", whose truth its
activation predicts best (AUROC), and write the labels to a folder.

ACTIVATIONS, one row per sample, one column per neuron:
  acts.npy            a matrix; read in blocks, so it may be larger than memory
  acts.npz            `activations`, maybe `names` of neurons and `ids` of samples;
                      or one matrix per layer
  acts/               a store written by `invert-jax collect`
CONCEPTS, what is true of the same samples, in the same order:
  masks.npz           `masks` (bool, samples x concepts) and `names`, maybe `ids`
  masks.csv .parquet  a column of 0 and 1 per concept, maybe a column `id`
  tfds:cifar10:test   the labels of a TFDS data set, by name or folder
  imagenet:labels.npy ImageNet's classes and their WordNet hypernyms
"""
EXAMPLE = """\
example:
  invert-jax explain acts.npy masks.csv -o labels --min-fraction 0.002

  A formula may need at least 20 samples to mean anything: with 10,000 samples that
  is --min-fraction 0.002. The folder holds labels.csv to read, Parquet files with
  all formulas of the beam, and explanations.json with the settings; in Python it is
  opened by invert_jax.Explanations.load("labels"). If the run is killed, the
  same command goes on where it stopped.
"""


def add_to(commands) -> None:
    """The command and its options."""
    explain = make(
        commands.add_parser,
        "explain",
        help="label the neurons of a layer",
        usage="invert-jax explain ACTIVATIONS CONCEPTS -o DIR [options]",
        description=ABOUT,
        epilog=EXAMPLE,
    )
    explain.add_argument(
        "inputs", metavar="ACTIVATIONS CONCEPTS", nargs="+", help=argparse.SUPPRESS
    )
    explain.add_argument(
        "--concepts", metavar="CONCEPTS",
        help="the concepts, if not given as the second word",
    )  # fmt: skip
    explain.add_argument(
        "-o", "--output", required=True, metavar="DIR", help="folder for the labels"
    )
    add_search_options(explain)
    trust = explain.add_argument_group("how to judge what was found")
    trust.add_argument(
        "--holdout", type=float, metavar="F",
        help="keep this share of the samples out of the search, and score the "
        "formulas on it (default: none)",
    )  # fmt: skip
    trust.add_argument(
        "--key", type=int, metavar="K", default=0,
        help="a whole number that decides which samples those are "
        "(default: %(default)s)",
    )  # fmt: skip
    trust.add_argument(
        "--simplest", action="store_true",
        help="take the shortest formula that is as good as the longest: on the samples "
        "kept out if there are any",
    )  # fmt: skip
    trust.add_argument(
        "--tolerance", type=float, metavar="T",
        help="with --simplest: how much worse than the longest it may score (default: "
        f"{TOLERANCE})",
    )  # fmt: skip
    trust.add_argument(
        "--metric", choices=LARGER_IS_BETTER, metavar="NAME",
        help="with --simplest: by which metric of the panel, such as "
        "harmonic_auc_0.005, which favors labels that hold where a neuron is highest "
        "(default: auroc)",
    )  # fmt: skip
    trust.add_argument(
        "--panel", action="store_true",
        help="measure the labels by other metrics too, such as average precision "
        "(done anyway with --holdout)",
    )  # fmt: skip
    trust.add_argument(
        "--precision-at", type=int, metavar="N",
        help="of the panel, which it asks for: how many samples are the highest "
        f"(default: {PRECISION_AT})",
    )  # fmt: skip
    add_quiet(explain)
    explain.set_defaults(run=run)


def add_search_options(parser: argparse.ArgumentParser) -> None:
    """The settings of `explain` as options, with its defaults."""
    search = parser.add_argument_group("what to search for")
    search.add_argument(
        "--max-length", type=int, default=DEFAULTS.max_length, metavar="N",
        help="most concepts in a formula (default: %(default)s)",
    )  # fmt: skip
    search.add_argument(
        "--beam-size", type=int, default=DEFAULTS.beam_size, metavar="N",
        help="formulas kept per step; more searches wider (default: %(default)s)",
    )  # fmt: skip
    search.add_argument(
        "--min-fraction", type=float, default=DEFAULTS.min_fraction, metavar="F",
        help="smallest share of the samples where a formula may hold; ask for at "
        "least 20 samples (default: %(default)s)",
    )  # fmt: skip
    search.add_argument(
        "--max-fraction", type=float, default=DEFAULTS.max_fraction, metavar="F",
        help="largest such share (default: %(default)s)",
    )  # fmt: skip
    search.add_argument(
        "--sign", choices=SIGNS, default=DEFAULTS.sign,
        help="explain what neurons are high for, or low for (default: %(default)s)",
    )  # fmt: skip
    search.add_argument(
        "--num-literals", type=int, metavar="N",
        help="extend formulas by the N most telling literals only (default: all)",
    )  # fmt: skip
    search.add_argument(
        "--neurons", metavar="I,J,...", help="only these neurons, from 0 (default: all)"
    )


def run(parsed: argparse.Namespace) -> int:
    """Explain, print the first neurons of each layer, write all."""
    activations_path, *named = parsed.inputs
    named += [] if parsed.concepts is None else [parsed.concepts]
    if len(named) != 1:
        raise ValueError("CONCEPTS must be given once: `invert-jax explain --help`.")
    how = _how_simple(parsed)
    has_count = parsed.precision_at is not None
    needs_panel = parsed.panel or has_count or "metric" in how
    activations = read_activations(activations_path)
    concepts = read_concepts(named[0], progress=not parsed.quiet)
    explanations = explain_from(
        places_of(activations=activations_path, concepts=named[0]),
        activations,
        concepts,
        SearchSettings(
            max_length=parsed.max_length,
            beam_size=parsed.beam_size,
            min_fraction=parsed.min_fraction,
            max_fraction=parsed.max_fraction,
            sign=parsed.sign,
            num_literals=parsed.num_literals,
        ),
        neurons=_indices(parsed.neurons),
        holdout=parsed.holdout,
        key=None if parsed.holdout is None else parsed.key,
        panel=needs_panel or None,
        precision_at=parsed.precision_at if has_count else PRECISION_AT,
        options=Options(progress=not parsed.quiet, output=parsed.output),
    )
    if parsed.simplest:
        folders = output_folders(parsed.output, activations)
        for name, layer in explanations.items():
            explanations[name] = layer.simplest(**how)
            explanations[name].save(folders[name])
    for layer in explanations.values():
        print(layer)
    print(f"\nWritten to {Path(parsed.output)}; labels.csv has every neuron.")
    return 0


def _how_simple(parsed: argparse.Namespace) -> dict[str, Any]:
    """What `simplest` is called with, of what was said."""
    how = {
        name: getattr(parsed, name)
        for name in ("tolerance", "metric")
        if getattr(parsed, name) is not None
    }
    if how and not parsed.simplest:
        name = next(iter(how))
        raise ValueError(f"--{name} says how to choose by --simplest; add that.")
    check_fraction("tolerance", how.get("tolerance", TOLERANCE))
    return how


def _indices(text: str | None) -> list[int] | None:
    """The whole numbers of a list with commas."""
    if text is None:
        return None
    try:
        return [int(word) for word in text.split(",")]
    except ValueError:
        raise ValueError(
            f"--neurons must be whole numbers with commas, as 0,5,7; got {text!r}."
        ) from None
