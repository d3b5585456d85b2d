"""The one progress bar: counts, and nothing left behind where nobody sees it move."""

import sys

import pytest
from rich import console as rich_console

from invert_jax.progress import progress_bar


@pytest.fixture
def in_a_terminal(monkeypatch):
    """As if standard error were a terminal."""

    class Terminal(rich_console.Console):
        def __init__(self, *, stderr):
            super().__init__(
                file=sys.stderr if stderr else sys.stdout, force_terminal=True
            )

    monkeypatch.setattr(rich_console, "Console", Terminal)


def count_to_three(**choices):
    with progress_bar("[b]count", 3, things="numbers", **choices) as advance:
        for _ in range(3):
            advance(1)


def test_a_bar_says_what_is_counted_and_names_are_no_markup(in_a_terminal, capsys):
    count_to_three(show=True, stays=True)
    shown = capsys.readouterr().err
    assert "[b]count" in shown and "3 numbers" in shown


def test_a_bar_that_goes_leaves_no_line_in_a_file(capsys):
    count_to_three(show=True)
    assert capsys.readouterr() == ("", "")


def test_a_bar_that_stays_is_in_a_file_too(capsys):
    count_to_three(show=True, stays=True)
    assert "3 numbers" in capsys.readouterr().err


def test_nothing_is_shown_if_not_asked_for(in_a_terminal, capsys):
    count_to_three(show=False, stays=True)
    assert capsys.readouterr() == ("", "")


def test_what_was_done_before_counts(in_a_terminal, capsys):
    with progress_bar("go on", 5, things="parts", show=True, start=2, stays=True):
        pass
    assert "2 parts" in capsys.readouterr().err


def test_a_title_is_text_and_acts_on_no_terminal(in_a_terminal, capsys):
    title = "explain {task.total} [red]\x1b]0;title\x07"
    with progress_bar(title, 1, things="neurons", show=True, stays=True):
        pass
    said = capsys.readouterr().err
    assert "\x1b]0" not in said and "{task.total} [red]" in said
