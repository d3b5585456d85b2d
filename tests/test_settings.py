from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invert_jax.settings import SearchSettings, fraction_of_few
from tests.small_runs import as_in_production


@pytest.mark.parametrize(
    "min_fraction, num_samples, smallest",
    [
        (0.002, 50_000, 100),
        (0.0035, 50_000, 175),
        (0.1, 30, 3),
        (0.07, 100, 7),
        (0.29, 100, 29),
        (0.1, 31, 4),
        (0.0, 10, 1),
        (1e-6, 1_000_000, 1),
        (1e-6, 1_000_001, 2),
    ],
)
def test_a_decimal_min_fraction_includes_the_support_it_names(
    min_fraction, num_samples, smallest
):
    assert SearchSettings(min_fraction=min_fraction).bounds(num_samples)[0] == smallest


@pytest.mark.parametrize(
    "max_fraction, num_samples, largest",
    [(0.5, 5, 2), (0.29, 100, 29), (0.57, 100, 57), (1.0, 7, 6), (0.0, 7, 0)],
)
def test_a_decimal_max_fraction_includes_the_support_it_names(
    max_fraction, num_samples, largest
):
    assert SearchSettings(max_fraction=max_fraction).bounds(num_samples)[1] == largest


@given(st.integers(0, 10**6), st.integers(1, 10**7))
def test_bounds_are_those_of_decimal_arithmetic(millionths, num_samples):
    share = Decimal(millionths) / 10**6
    settings = SearchSettings(min_fraction=float(share), max_fraction=1.0)
    smallest, largest = settings.bounds(num_samples)
    exact = share * num_samples
    assert smallest == max(1, int(exact.to_integral_value(rounding="ROUND_CEILING")))
    assert largest == num_samples - 1


@given(st.integers(1, 10**7), st.data())
def test_fractions_computed_from_a_count_allow_that_count(num_samples, data):
    count = data.draw(st.integers(0, num_samples))
    share = count / num_samples
    settings = SearchSettings(min_fraction=share, max_fraction=share)
    wanted = max(1, count), min(num_samples - 1, count)
    assert settings.bounds(num_samples) == wanted


@pytest.mark.parametrize("num_samples", range(2, 60))
def test_every_count_of_small_tables_is_allowed(num_samples):
    for count in range(1, num_samples):
        share = count / num_samples
        settings = SearchSettings(min_fraction=share, max_fraction=share)
        assert settings.bounds(num_samples) == (count, count)


@given(st.integers(1, 10**5), st.data())
def test_a_narrow_fraction_computed_from_a_count_allows_it(num_samples, data):
    count = data.draw(st.integers(1, num_samples))
    share: Any = np.float32(count / num_samples)
    with as_in_production():
        settings = SearchSettings(min_fraction=share, max_fraction=share)
    smallest, largest = settings.bounds(num_samples)
    assert smallest <= count and largest >= min(count, num_samples - 1)


def test_a_fraction_object_is_a_fraction():
    with as_in_production():
        settings = SearchSettings(min_fraction=Fraction(20, 103))  # type: ignore[arg-type]
    assert settings.bounds(103)[0] == 20


@pytest.mark.parametrize("share", [np.float32(0.002), np.float64(0.002)])
def test_numbers_of_numpy_mean_the_decimal_that_they_print_as(share):
    with as_in_production():
        assert SearchSettings(min_fraction=share).bounds(50_000)[0] == 100


@pytest.mark.parametrize("name", ["min_fraction", "max_fraction"])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), float("inf")])
def test_fractions_outside_0_and_1_are_refused(name, value):
    with pytest.raises(ValueError, match=rf"`{name}` must be in \[0, 1\]; got "):
        SearchSettings(**{name: value})


@pytest.mark.parametrize("name", ["min_fraction", "max_fraction"])
@pytest.mark.parametrize("value", ["0.1", None, True, 0.1j])
def test_fractions_that_are_no_numbers_are_refused(name, value):
    with (
        as_in_production(),
        pytest.raises(TypeError, match=f"`{name}` must be a number; got "),
    ):
        SearchSettings(**{name: value})


def test_crossed_fractions_are_refused():
    match = r"`min_fraction` must not exceed `max_fraction`; got 0\.6 and 0\.5"
    with pytest.raises(ValueError, match=match):
        SearchSettings(min_fraction=0.6)


@pytest.mark.parametrize("name", ["max_length", "beam_size", "num_literals"])
@pytest.mark.parametrize("value", [2.0, 2.5, "3", True, np.True_, float("nan")])
def test_sizes_that_are_not_whole_are_refused(name, value):
    with (
        as_in_production(),
        pytest.raises(TypeError, match=f"`{name}` must be a whole number; got "),
    ):
        SearchSettings(**{name: value})


@pytest.mark.parametrize(
    "name, value, least",
    [("max_length", 0, 1), ("beam_size", 0, 1), ("beam_size", -3, 1),
     ("num_literals", 0, 2), ("num_literals", 1, 2)],
)  # fmt: skip
def test_sizes_that_are_too_small_are_refused(name, value, least):
    with pytest.raises(ValueError, match=f"`{name}` must be at least {least}; got "):
        SearchSettings(**{name: value})


def test_formulas_too_long_for_their_bits_are_refused():
    with pytest.raises(ValueError, match="`max_length` must be at most 31; got 32"):
        SearchSettings(max_length=32)


def test_half_a_concept_is_refused():
    with pytest.raises(ValueError, match=r"`num_literals` must be even.*got 3"):
        SearchSettings(num_literals=3)


@pytest.mark.parametrize("value", ["Positive", "", "up", None, 1])
def test_an_unknown_sign_is_refused(value):
    with (
        as_in_production(),
        pytest.raises(ValueError, match="`sign` must be 'positive' or 'negative'"),
    ):
        SearchSettings(sign=value)


@pytest.mark.parametrize("value", ["iou", None])
def test_an_unknown_objective_is_refused(value):
    match = "`objective` must be 'auroc'; got "
    with as_in_production(), pytest.raises(ValueError, match=match):
        SearchSettings(objective=value)


def test_whole_numbers_of_numpy_are_sizes():
    with as_in_production():
        sizes: dict[str, Any] = {"max_length": np.int64(2), "beam_size": np.uint8(4)}
        settings = SearchSettings(**sizes)
    assert settings == SearchSettings(max_length=2, beam_size=4)


@given(st.integers(41, 10**7))
def test_the_cure_for_few_positives_is_the_smallest_of_three_digits(num_samples):
    text = fraction_of_few(num_samples)
    smallest, _ = SearchSettings(min_fraction=float(text)).bounds(num_samples)
    digits = text.removeprefix("0.").lstrip("0")
    assert smallest >= 20
    assert len(digits) <= 3
    one_less = Fraction(text) - Fraction(1, 10 ** (len(text) - 2 + 3 - len(digits)))
    assert one_less * num_samples < 20
