"""Checks of arguments: what passes, and what is said of what does not."""

import numpy as np
import pytest

from invert_jax.checks import (
    check_choice,
    check_fraction,
    check_share,
    check_text,
    check_whole,
    checked_sizes,
    listed,
    printable,
)

NO_NUMBERS = [True, np.True_, "1", None, 1j, [1]]


@pytest.mark.parametrize("value", [1, 7, np.int8(3), np.uint64(7)])
def test_whole_numbers_within_their_limits_pass(value):
    check_whole("size", value, 1, 7)


@pytest.mark.parametrize("value", [*NO_NUMBERS, 2.0, float("nan")])
def test_what_is_no_whole_number_is_of_the_wrong_type(value):
    with pytest.raises(TypeError, match="`size` must be a whole number; got "):
        check_whole("size", value)


@pytest.mark.parametrize(("value", "rule"), [(0, "at least 1"), (8, "at most 7")])
def test_a_whole_number_beyond_its_limits_is_of_the_wrong_value(value, rule):
    with pytest.raises(ValueError, match=f"`size` must be {rule}; got {value}"):
        check_whole("size", value, 1, 7)


@pytest.mark.parametrize("check", [check_fraction, check_share])
def test_numbers_between_0_and_1_pass(check):
    for value in (0.5, np.float32(0.1), 1e-300, 1 - 1e-16):
        check("part", value)


@pytest.mark.parametrize("value", [0, 1, 0.0, np.float64(1)])
def test_the_ends_are_fractions_and_no_shares(value):
    check_fraction("part", value)
    with pytest.raises(ValueError, match=r"`part` must be in \(0, 1\); got "):
        check_share("part", value)


@pytest.mark.parametrize("check", [check_fraction, check_share])
@pytest.mark.parametrize("value", [-1e-9, 1.1, float("nan"), float("inf")])
def test_numbers_outside_0_and_1_are_refused(check, value):
    with pytest.raises(ValueError, match=r"`part` must be in .0, 1.; got "):
        check("part", value)


@pytest.mark.parametrize("check", [check_fraction, check_share])
@pytest.mark.parametrize("value", NO_NUMBERS)
def test_a_part_that_is_no_number_is_of_the_wrong_type(check, value):
    with pytest.raises(TypeError, match="`part` must be a number; got "):
        check("part", value)


def test_choices_are_named_where_another_is_made():
    check_choice("sign", "positive", ["positive", "negative"])
    for value in ("both", None, 1, ["positive"]):
        with pytest.raises(ValueError, match="`sign` must be 'positive' or 'negative'"):
            check_choice("sign", value, ("positive", "negative"))


@pytest.mark.parametrize("sizes", [(2, 3), [2, np.int64(3)], np.array([2, 3])], ids=str)
def test_a_pair_of_sizes_comes_back_as_integers(sizes):
    assert checked_sizes("size", "height and width", sizes) == (2, 3)


@pytest.mark.parametrize(
    "sizes", [7, (7,), (1, 2, 3), (3.5, 4), (True, 2), "77", None, (0, 2)], ids=str
)
def test_what_is_no_pair_of_sizes_is_refused(sizes):
    with pytest.raises(ValueError, match=r"`size` must be height and width, .* got "):
        checked_sizes("size", "height and width", sizes)


def test_long_lists_are_cut():
    assert listed([]) == ""
    assert listed(range(6)) == "0, 1, 2, 3, 4 and 1 more"


def test_text_that_no_file_can_hold_is_refused():
    check_text("names", ["日本 🐙", "\x1b[31m", "", "\U0001f419"])
    for text in ("caf\udce9", "\ud800", "a\udfffb"):
        with pytest.raises(ValueError, match=r"`names` must be text that UTF-8 can ho"):
            check_text("names", ["fine", text])


def test_what_acts_on_a_terminal_is_shown_as_an_escape():
    for code in (*range(32), *range(127, 160), 0x202E, 0x2028, 0x2066, 0xDCE9):
        shown = printable(f"a{chr(code)}b")
        assert shown.isprintable() and shown[:2] == "a\\" and shown[-1] == "b"
    family = "👩\u200d👩\u200d👧 ünï\u3000日本 \\x1b"
    assert printable(family) == family
