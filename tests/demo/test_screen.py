"""What the demo says while it runs."""

import pytest
from rich.console import Console

from invert_jax.demo.labels import Label
from invert_jax.demo.screen import Steps, show_checks, show_layer, show_legend
from invert_jax.demo.self_check import Check
from invert_jax.formula.formula import Formula


@pytest.fixture
def console():
    return Console(width=90, record=True, quiet=False)


def label(neuron, auroc):
    return Label(
        layer="hidden", neuron=neuron, formula=Formula.parse("a & ~b"), auroc=auroc,
        num_positives=9, share=0.1, held_out=auroc - 0.1, held_out_low=0.4,
        held_out_high=0.95, log10_p=-3.0, p_search=0.001, q_value=0.002,
        status="labeled",
    )  # fmt: skip


@pytest.mark.parametrize("visible", [True, False])
def test_steps_are_seen_only_if_wanted(console, visible):
    with Steps(console, visible=visible) as steps:
        with steps.step("Count", 2) as advance:
            advance()
    text = console.export_text()
    assert ("Count" in text) is visible
    assert ("2/2" in text) is visible


def test_a_step_that_fails_is_not_shown_as_done(console):
    with pytest.raises(ZeroDivisionError):
        with Steps(console) as steps, steps.step("Divide", 3) as advance:
            advance()
            raise ZeroDivisionError
    text = console.export_text()
    assert "1/3" in text
    assert "✓" not in text


def test_a_layer_with_few_units_is_shown_whole_and_in_order(console):
    show_layer(console, "hidden", [label(0, 0.8), label(1, 0.9)])
    text = console.export_text()
    assert "hidden: 2 units" in text
    assert "the best" not in text
    assert text.index("0.8000") < text.index("0.9000")


def test_a_layer_with_many_units_is_shown_by_its_best(console):
    labels = [label(neuron, 0.5 + neuron / 100) for neuron in range(30)]
    show_layer(console, "hidden", labels, num_shown=2)
    text = console.export_text()
    assert "hidden: 30 units, the best 2" in text
    assert text.index("0.7900") < text.index("0.7800")
    assert "0.7700" not in text


def test_passed_and_failed_checks_are_marked(console):
    checks = [Check("a", 1, True, "sky is blue"), Check("b", 0, False, "grass is red")]
    show_checks(console, checks)
    text = console.export_text()
    assert "✓ sky is blue" in text
    assert "✗ grass is red" in text


def test_the_legend_says_what_is_not_to_be_used_and_reads_an_example(console):
    show_legend(console, label(7, 0.95), alpha=0.05)
    text = " ".join(console.export_text().split())
    assert "above 0.05 the status is chance" in text
    assert "both new to the search, unit 7 of hidden is higher" in text
    assert "in 85.0% of all pairs" in text
