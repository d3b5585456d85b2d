import dataclasses
import io

import numpy as np
import pytest
from rich.console import Console

import invert_jax as ij
from tests import small_runs
from tests.small_runs import QUIET, explain

LONG = (
    "motor vehicle of any kind", "label=automobile or so", "another thing, long to tell"
)  # fmt: skip
NAMES = ("<b>cat</b>", "[red]dog[/red]", "fish & chips")


@pytest.fixture(scope="module")
def explanations():
    """Neurons that see: cat, dog, fish, nothing."""
    masks = np.arange(150)[:, None] % 3 == np.arange(3)
    noise = np.random.default_rng(0).normal(size=(150, 4)) * [1, 1, 1, 0]
    values = np.column_stack([2.0 * masks, np.zeros(150)]) + noise
    concepts = ij.Concepts.from_masks(masks, NAMES)
    layer = ij.Activations(values.astype(np.float32), layer="<top>")
    return ij.explain(
        layer, concepts, max_length=2, beam_size=2, min_fraction=0.2, options=QUIET
    )


def printed(shown, width=120):
    text = io.StringIO()
    Console(file=text, width=width, color_system=None).print(shown)
    return text.getvalue()


@pytest.fixture(scope="module")
def judged():
    """Labels of long names, with all columns that there can be."""
    rng = np.random.default_rng(0)
    masks = rng.random((200, 3)) < 0.4
    values = np.column_stack([masks[:, 0], rng.normal(size=200)]).astype(np.float32)
    concepts = ij.Concepts.from_masks(masks, LONG)
    labels = ij.explain(
        values, concepts, max_length=2, beam_size=2, min_fraction=0.2, holdout=0.4,
        key=0, options=QUIET,
    )  # fmt: skip
    null = ij.null_distribution(concepts, labels, num_draws=49, key=0, options=QUIET)
    return labels.with_null(null)


def formula_column(text):
    """What stands under "formula", up to the next heading, and the headings."""
    lines = text.splitlines()
    at = next(place for place, line in enumerate(lines) if " formula " in line)
    start = lines[at].index("formula")
    end = lines[at].index("AUROC") - 1
    column = [line[start:end].strip() for line in lines[at + 1 :]]
    return " ".join(filter(None, column)), end - start, lines[at].split()


def test_a_terminal_shows_a_row_for_each_neuron_with_names_as_they_are(explanations):
    text = printed(explanations)
    assert text.startswith("Explanations(4 neurons of '<top>', 3 labeled")
    for neuron in range(3):
        assert explanations.formulas[neuron][0].to_words() in text
        assert f"{explanations.scores[neuron, 0]:.4f}" in text
    assert "the same activation on every sample" in text
    assert "[red]dog[/red]" in text


def test_a_notebook_shows_the_same_with_names_escaped(explanations):
    shown = explanations._repr_html_()
    assert "&lt;b&gt;cat&lt;/b&gt;" in shown
    assert "<b>" not in shown and "<top>" not in shown
    assert shown.count("<tr>") == 5


def test_only_the_first_of_many_neurons_are_shown(explanations):
    many = explanations.take(np.arange(60) % 4)
    assert "... and 40 more" in printed(many)
    assert "... and 40 more" in many._repr_html_()
    assert many._repr_html_().count("<tr>") == 21


def test_no_neuron_is_shown_as_none(explanations):
    none = explanations.take([])
    assert "Explanations(0 neurons" in printed(none)
    assert "<table>" not in none._repr_html_()


def test_a_unit_is_its_best_formula(explanations):
    unit = explanations.unit(1)
    assert (unit.neuron, unit.name, unit.status) == (1, "1", "labeled")
    assert unit.formula == explanations.formulas[1][0]
    assert unit.score == explanations.scores[1, 0]
    assert repr(unit) == f"Unit(1, {str(unit.formula)!r}, {unit.score:.4f})"


def test_a_unit_shows_its_beam_at_each_length(explanations):
    unit = explanations.take([3, 1]).unit(1)
    for text in (printed(unit), str(unit)):
        assert "unit 1 of <top>" in text
        assert text.count("at most 1") == 2
        for rank in range(2):
            for length in (1, 2):
                step = explanations.at_length(length)
                formula = step.formula(1, rank)
                assert formula is None or formula.to_words() in text
    html = unit._repr_html_()
    assert html.count("<tr>") == str(unit).count("at most") + 1
    assert "<top>" not in html


def test_a_unit_without_a_label_says_why(explanations):
    unit = explanations.unit(3)
    assert repr(unit) == "Unit(3, constant)"
    assert "unit 3 of <top>: the same activation on every sample" in str(unit)
    assert "<table>" not in unit._repr_html_()
    assert np.isnan(unit.score) and unit.formula is None


def test_a_unit_that_was_not_explained_is_refused(explanations):
    with pytest.raises(ValueError, match="4 of 0 to 3; got 9"):
        explanations.unit(9)


def test_held_out_scores_and_chance_are_shown(judged):
    labels = judged
    assert labels.held_out is not None
    text = printed(labels)
    assert f"{labels.held_out.scores[1, 0]:.4f}" in text
    low, high = labels.held_out.intervals[1, 0]
    assert f"{low:.3f}-{high:.3f}" in text
    assert labels.status.tolist() == ["labeled", "chance"]
    assert "chance" in text
    assert "a search finds one as good by chance" in str(labels.unit(1))


@pytest.mark.parametrize(
    ("width", "hidden"),
    [(60, {"95", "samples"}), (80, {"samples"}), (110, set())],
    ids=["60", "80", "110"],
)
def test_a_narrow_terminal_shows_the_formula_before_the_rest(judged, width, hidden):
    for shown in (judged, judged.unit(0)):
        text = printed(shown, width)
        assert max(map(len, text.splitlines())) <= width
        column, room, headings = formula_column(text)
        assert room >= 20
        assert judged.formula(0).to_words().split()[0] in column
        assert hidden.isdisjoint(headings) and "AUROC" in headings
        assert hidden or "95" in headings


def test_long_names_leave_room_for_formulas_in_the_text_table(judged):
    named = dataclasses.replace(judged, neuron_names=("n" * 40, "1"))
    for text in (str(named), printed(named, 100)):
        assert "status" in formula_column(text)[2]
        assert max(map(len, text.splitlines())) <= 100
        assert formula_column(text)[1] >= 20
        assert text.count("n" * 8) > 1


def test_methods_do_what_the_modules_do(explanations, tmp_path):
    name = explanations.formulas[0][0].names[0]
    assert 0 in explanations.neurons_for(name, min_score=0.5)
    assert explanations.coverage().names == NAMES
    explanations.export(tmp_path / "labels.json")
    again = ij.Explanations.load(tmp_path / "labels.json")
    np.testing.assert_array_equal(again.scores, explanations.scores)


def test_names_do_nothing_to_the_terminal_that_shows_them(explanations):
    names = ("unit\x1b[31m", "b\x9b2J", "c\u202ed", "e\x07")
    named = dataclasses.replace(
        explanations, neuron_names=names, layer="fc\x1b]0;title\x07"
    )
    comparison = ij.compare(named, explanations, names=("a\x1b[2J", "b"))
    shown = (str(named), str(named.unit(0)), str(comparison), repr(named))
    for text in shown:
        assert all(char.isprintable() for char in text.replace("\n", ""))
    assert r"unit\x1b[31m" in str(named) and r"fc\x1b]0;title" in str(named.unit(0))


def test_markdown_has_no_control_characters(explanations, tmp_path):
    named = dataclasses.replace(explanations, layer="fc\x1b]0;title\x07")
    named.export(tmp_path / "labels.md")
    text = (tmp_path / "labels.md").read_text(encoding="utf-8")
    assert all(char.isprintable() for char in text.replace("\n", ""))


@pytest.fixture(scope="module")
def world_labels():
    """Labels of the layer that the tests of the engine share."""
    world = small_runs.make_world()
    return explain(world.layer, world.concepts)


def test_printing_shows_formula_score_support_and_p(world_labels):
    lines = str(world_labels).splitlines()
    assert "encoder/conv" in lines[0] and "8 neurons" in lines[0]
    of_unit = {line.split()[1]: line for line in lines if "unit" in line}
    p = f"{world_labels.log10_p[6, 0]:.1f}"
    assert of_unit["6"].split() == ["unit", "6", "six", "1.0000", "10", p]
    assert "(the same activation on every sample)" in of_unit["4"]
    assert "even AND [wide]" in of_unit["3"]


def test_printing_shows_names_as_they_are():
    world = small_runs.make_world()
    names = list(small_runs.NAMES)
    names[3], names[9] = "[red]six[/red]", ":dog:"
    layer = ij.Activations(
        world.activations, [f"[b]{j}[/b]" for j in range(8)], layer="blocks[/0]"
    )
    concepts = ij.Concepts.from_masks(world.masks, names)
    text = str(explain(layer, concepts))
    assert "[red]six[/red]" in text
    assert ":dog:" in text
    assert "[b]6[/b]" in text
    assert "blocks[/0]" in text


def test_printing_many_neurons_says_how_many_are_not_shown(world_labels):
    many = world_labels.take(np.arange(50) % 8)
    lines = str(many).splitlines()
    assert len(lines) < 30
    assert "30 more" in lines[-1]
