"""Labels that people read."""

import pytest
from rich.console import Console

from invert_jax.demo.labels import (
    CHANCE,
    NO_LABEL,
    Label,
    best_first,
    in_words,
    table,
    verdict,
)
from invert_jax.formula import Formula


def label(neuron, text, auroc, status="labeled", judged="very good"):
    formula = None if text is None else Formula.parse(text)
    return Label("hidden", neuron, formula, auroc, 90, 0.1, 0.66, -20.0, status, judged)


def printed(renderable, width=90):
    console = Console(width=width, record=True, file=None, quiet=False)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


@pytest.mark.parametrize(
    ("auroc", "words"),
    [
        (1.0, "near perfect"),
        (0.99, "near perfect"),
        (0.9899, "very good"),
        (0.95, "very good"),
        (0.85, "good"),
        (0.75, "fair"),
        (0.72, "weak"),
        (0.71, CHANCE),
        (0.7, CHANCE),
        (0.3, CHANCE),
    ],
)
def test_the_verdict_grows_with_the_auroc_and_starts_above_chance(auroc, words):
    assert verdict("labeled", auroc, chance=0.71) == words


@pytest.mark.parametrize("status", ["constant", "no_candidate"])
def test_a_neuron_without_a_label_has_no_verdict_on_its_score(status):
    assert verdict(status, float("nan"), chance=0.7) == NO_LABEL[status]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nine", "nine"),
        ("has_loop & ~wide", "has loop AND NOT wide"),
        ("(top_heavy | one) & ~five", "(top heavy OR one) AND NOT five"),
        ("~(a_b)", "NOT a b"),
    ],
)
def test_words_have_no_signs_and_no_underscores(text, words):
    assert in_words(Formula.parse(text)) == words


def test_no_formula_has_no_words():
    assert in_words(None) == ""


def test_the_table_shows_each_neuron_with_its_formula_score_and_share():
    text = printed(table([label(7, "six | leans_left", 0.98764)], title="hidden"))
    (row,) = [line for line in text.splitlines() if "leans" in line]
    for part in ("7", "six OR leans left", "0.9876", "0.66", "10%", "very good"):
        assert part in row


def test_the_table_leaves_the_numbers_of_an_unlabeled_neuron_empty():
    silent = label(3, None, float("nan"), "constant", NO_LABEL["constant"])
    text = printed(table([silent], title="hidden"))
    assert NO_LABEL["constant"] in text
    assert "nan" not in text
    assert "%" not in text


def test_a_name_with_brackets_is_printed_and_not_read_as_markup():
    text = printed(table([label(0, '"[red]x[/red]"', 0.97)], title="hidden"))
    assert "[red]x[/red]" in text


def test_the_best_come_first_and_those_without_a_label_last():
    labels = [
        label(0, None, float("nan"), "constant"),
        label(1, "a", 0.8),
        label(2, "b", 0.9),
        label(3, "c", 0.9),
    ]
    assert [each.neuron for each in best_first(labels)] == [2, 3, 1, 0]
