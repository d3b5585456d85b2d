"""How the command line takes and gives words: parsers, warnings, errors."""

import argparse
import sys
import textwrap
from typing import NoReturn, TextIO


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
    text = textwrap.fill(f"warning: {message}", 88, subsequent_indent="  ")
    print(f"invert-jax: {text}", file=sys.stderr)


def fail(error: Exception) -> int:
    """Say what is wrong, without a traceback."""
    message = textwrap.fill(str(error), 88, subsequent_indent="  ")
    print(f"invert-jax: {message}", file=sys.stderr)
    return 2


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
