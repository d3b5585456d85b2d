"""`invert-jax demo`: the whole job on real handwritten digits."""

import argparse

from invert_jax.cli.words import add_quiet, make


def add_to(commands) -> None:
    """The command and its options."""
    demo = make(
        commands.add_parser,
        "demo",
        help="the whole job on real handwritten digits, under a minute",
        description="Train a small network on real handwritten digits, and name its "
        "neurons.",
    )
    demo.add_argument(
        "-o", "--output", default="invert_demo", metavar="DIR",
        help="folder for the results (default: %(default)s)",
    )  # fmt: skip
    add_quiet(demo)
    demo.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Do the job; 1 if a check of its own failed."""
    from invert_jax.demo import job  # scikit-learn and flax only where asked for

    return 0 if job.run(parsed.output, progress=not parsed.quiet).passed else 1
