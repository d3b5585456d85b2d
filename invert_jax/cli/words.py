"""How the command line takes and gives words: parsers, warnings, errors."""

import argparse
import sys
import textwrap
from pathlib import Path
from typing import NoReturn, TextIO

from invert_jax.checks import printable
from invert_jax.compilation_cache import remove_damaged


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """The option that turns the progress bar off."""
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress bar")


def show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Show a warning as a sentence, without the line of code it comes from."""
    del category, filename, lineno, file, line
    if not remove_damaged(str(message)):
        say(f"warning: {message}")


def fail(error: Exception) -> int:
    """Say what is wrong, without a traceback."""
    say(str(error))
    return 2


def say(message: str) -> None:
    """Print a message to standard error, as this program's."""
    # A path stays whole, to be copied.
    lines = textwrap.fill(
        printable(message.replace("\n", " ")), 88, subsequent_indent="  ",
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    print(f"invert-jax: {lines}", file=sys.stderr)


def say_moved(what: str, place: str | None) -> None:
    """Say that an input is not where it was; nothing if it has not moved.

    Args:
        what: "activations" or "concepts".
        place: Where it was; None if it is there.
    """
    if place is not None:
        say(
            f"the {what} are not where they were, {place}, and are left out. "
            f"--{what} names them where they are now."
        )


class Parser(argparse.ArgumentParser):
    """A parser whose errors point to the help."""

    def error(self, message: str) -> NoReturn:
        """Leave with the message and a pointer to the help."""
        self.exit(2, f"{self.prog}: {message}\nSee `{self.prog} --help`.\n")


def make(maker, *arguments, **settings):
    """A parser that keeps the lines of its texts as they are."""
    return maker(
        *arguments, formatter_class=argparse.RawDescriptionHelpFormatter, **settings
    )


def names_of_folders(a: str, b: str) -> tuple[str, str]:
    """What tells two folders apart: their last parts, or all where these are equal.

    >>> names_of_folders("runs/epoch_1/", "runs/epoch_9")
    ('epoch_1', 'epoch_9')
    >>> names_of_folders("epoch_1/labels", "epoch_9/labels")
    ('epoch_1/labels', 'epoch_9/labels')
    >>> names_of_folders("labels", "labels")
    ('a', 'b')
    """
    first, second = Path(a), Path(b)
    if first.resolve().name != second.resolve().name:
        return first.resolve().name, second.resolve().name
    if str(first) != str(second):
        return str(first), str(second)
    return "a", "b"
