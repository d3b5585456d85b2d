"""Labels that people read."""

import math

import pytest
from rich.console import Console

from invert_jax.demo.labels import NO_LABEL, Label, best_first, in_words, table
from invert_jax.formula.formula import Formula


def label(neuron, text, auroc, status="labeled", held_out=0.9):
    formula = None if text is None else Formula.parse(text)
    return Label(
        layer="hidden", neuron=neuron, formula=formula, auroc=auroc, num_positives=90,
        share=0.1, held_out=held_out, held_out_low=0.8, held_out_high=0.95,
        log10_p=-20.0, p_search=0.001, q_value=0.004, status=status,
    )  # fmt: skip


def printed(renderable, width=90):
    console = Console(width=width, record=True, file=None, quiet=False)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


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


def test_the_table_shows_each_neuron_with_what_is_to_be_trusted():
    text = printed(table([label(7, "six | leans_left", 0.98764)], title="hidden"))
    (row,) = [line for line in text.splitlines() if "leans" in line]
    for part in ("7", "six OR leans left", "0.9876", "0.9000", "0.004", "10%"):
        assert part in row
    assert "labeled" in row
    assert all(name in text for name in ("AUROC", "held out", " q ", "status"))


def test_a_neuron_called_chance_keeps_its_formula_and_says_so():
    text = printed(table([label(7, "six", 0.7, "chance")], title="hidden"))
    (row,) = [line for line in text.splitlines() if "six" in line]
    assert "chance" in row and "0.7000" in row


@pytest.mark.parametrize("status", ["constant", "no_candidate"])
def test_the_table_leaves_the_numbers_of_an_unlabeled_neuron_empty(status):
    silent = label(3, None, math.nan, status, held_out=math.nan)
    text = printed(table([silent], title="hidden"))
    assert NO_LABEL[status] in text
    assert "nan" not in text
    assert "%" not in text


def test_a_formula_that_holds_on_no_held_out_image_has_an_empty_score():
    text = printed(table([label(3, "rare", 0.9, held_out=math.nan)], title="hidden"))
    assert "0.9000" in text and "nan" not in text


def test_a_name_with_brackets_is_printed_and_not_read_as_markup():
    text = printed(table([label(0, '"[red]x[/red]"', 0.97)], title="hidden"))
    assert "[red]x[/red]" in text


def test_the_best_come_first_then_chance_then_those_without_a_formula():
    labels = [
        label(0, None, math.nan, "constant", held_out=math.nan),
        label(1, "a", 0.99, held_out=0.8),
        label(2, "b", 0.9, held_out=0.9),
        label(3, "c", 0.9, held_out=0.9),
        label(4, "d", 0.85, held_out=math.nan),
        label(5, "e", 0.95, "chance", held_out=0.95),
    ]
    assert [each.neuron for each in best_first(labels)] == [2, 3, 4, 1, 5, 0]
