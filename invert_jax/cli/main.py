"""The door of the command line: which command, and what becomes of its errors."""

import argparse
import atexit
import gc
import sys
import warnings
from collections.abc import Sequence

from invert_jax.cli import collect, compare, demo, explain, null, report
from invert_jax.cli.words import Parser, fail, make, show_warning
from invert_jax.compilation_cache import switch_on

ABOUT = """\
Name every neuron of a network with a short logical formula over known concepts.

  invert-jax demo                       the whole job on real handwritten digits
  invert-jax collect MODULE:FACTORY -o ACTS  activations of your own model
  invert-jax explain ACTS CONCEPTS -o DIR    a formula for each of its neurons
  invert-jax null DIR                        which of them are no better than chance
  invert-jax report DIR -o report.html       the labels as one page to read
  invert-jax compare DIR DIR                 what changed between two results
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: The words after the program's name. If None, those of this process;
            what JAX compiles is kept for the next one then.

    Returns:
        The exit status: 0, or 2 after a message on standard error.
    """
    parsed = _parse(arguments)
    if arguments is None:
        switch_on()
        # Python would search all that is loaded for circles before it ends: 0.2 s.
        atexit.register(gc.freeze)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = show_warning
            return parsed.run(parsed)
    except (ValueError, TypeError, OSError, ImportError) as error:
        if parsed.traceback:
            raise
        return fail(error)
    except KeyboardInterrupt:
        print("invert-jax: stopped", file=sys.stderr)
        return 130


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = make(Parser, prog="invert-jax", description=ABOUT)
    parser.add_argument(
        "--traceback", action="store_true", help="show where an error comes from"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (demo, collect, explain, null, report, compare):
        command.add_to(commands)
    return parser


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The words as settings; inputs may stand between options."""
    parser = make_parser()
    parsed, rest = parser.parse_known_args(arguments)
    if rest and (not hasattr(parsed, "inputs") or any(w[:1] == "-" for w in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        parsed.inputs += rest
    return parsed
