import sys

import numpy as np
import pytest

import invert_jax as ij
from invert_jax.reports import plots

pyplot = pytest.importorskip("matplotlib.pyplot")
pyplot.switch_backend("Agg")


@pytest.fixture
def ax():
    figure, ax = pyplot.subplots()
    yield ax
    figure.canvas.draw()
    pyplot.close(figure)


@pytest.fixture(scope="module")
def null(run):
    quiet = ij.Options(progress=False)
    return ij.null_distribution(
        run.concepts, run.explanations, num_draws=39, key=0, options=quiet
    )


def heights(ax):
    return [patch.get_width() for patch in ax.patches]


def test_a_unit_is_drawn_inside_and_outside_of_its_support(run, ax):
    drawn = plots.plot_unit(
        run.explanations, 7, run.activations, run.concepts, bins=10, ax=ax
    )
    assert drawn is ax
    outside, inside = (getattr(patch, "get_data")() for patch in ax.patches)  # noqa: B009
    best = run.explanations.formulas[7][0]
    holds = best.evaluate(run.concepts)
    values = np.asarray(run.activations)[:, 7].astype(np.float64)
    counts, edges = np.histogram(values[holds], np.histogram_bin_edges(values, 10))
    np.testing.assert_allclose(inside.values, counts / holds.sum())
    np.testing.assert_allclose(inside.edges, edges)
    np.testing.assert_allclose(outside.values.sum(), 1)
    assert best.to_words() in ax.get_title()
    assert f"{run.explanations.scores[7, 0]:.4f}" in ax.get_title()


def test_a_unit_is_not_drawn_from_samples_in_another_order(run, ax):
    shuffled = np.asarray(run.activations)[::-1]
    with pytest.raises(ValueError, match="or of samples in another order"):
        plots.plot_unit(run.explanations, 7, shuffled, run.concepts, ax=ax)


def test_a_unit_without_a_label_is_drawn_without_a_support(run, ax):
    plots.plot_unit(run.explanations, 6, run.activations, run.concepts, ax=ax)
    assert len(ax.patches) == 1
    assert ax.get_title() == "unit 6: constant"


def test_a_unit_that_is_not_there_is_named(run, ax):
    with pytest.raises(ValueError, match="8 of 0 to 7; got 8"):
        plots.plot_unit(run.explanations, 8, run.activations, run.concepts, ax=ax)


def test_a_layer_is_drawn_as_its_concepts_by_units(run, ax):
    assert plots.plot_layer(run.explanations, ax=ax) is ax
    names = [label.get_text() for label in ax.get_yticklabels()]
    widths = np.array(heights(ax)).reshape(2, len(names))
    best = [each for each, *_ in run.explanations.formulas if each is not None]
    for name, plain, negated in zip(names, *widths, strict=True):
        assert plain == sum((name, False) in each.literals for each in best)
        assert negated == sum((name, True) in each.literals for each in best)
    assert (np.diff(widths[0]) <= 0).all()


def test_a_layer_shows_as_many_concepts_as_asked_for(run, ax):
    plots.plot_layer(run.explanations, num_concepts=2, ax=ax)
    assert len(ax.get_yticklabels()) == 2
    with pytest.raises(ValueError, match="`num_concepts` must be at least 1; got 0"):
        plots.plot_layer(run.explanations, num_concepts=0, ax=ax)


def test_the_tradeoff_is_the_mean_score_at_each_length(run, ax):
    assert plots.plot_tradeoff(run.explanations, ax=ax) is ax
    (line,) = ax.lines
    labeled = run.explanations.status == "labeled"
    means = [run.explanations.at_length(n).scores[labeled, 0].mean() for n in (1, 2)]
    assert np.asarray(line.get_xdata()).tolist() == [1, 2]
    np.testing.assert_allclose(np.asarray(line.get_ydata()), means)


def test_the_tradeoff_has_a_line_for_each_layer(run, ax):
    layers = {"one": run.explanations, "two": run.explanations.take([0, 1])}
    plots.plot_tradeoff(layers, ax=ax)
    assert [line.get_label() for line in ax.lines] == ["one", "two"]


def test_the_null_is_drawn_as_p_values_of_scores(run, ax, null):
    assert plots.plot_null(null, run.explanations, ax=ax) is ax
    for line, drawn in zip(ax.lines, null.scores[:, :, -1], strict=False):
        scores, shares = map(np.asarray, line.get_data())
        assert shares[0] == 2 / 40 and shares[-1] == 1
        for at in (0, 10, 38):
            assert (1 + (drawn >= scores[at]).sum()) / 40 >= shares[at]
    marked = ax.lines[-1].get_xdata()
    expected = run.explanations.scores[:, 0]
    np.testing.assert_array_equal(np.sort(marked), np.sort(expected))


def test_the_null_is_drawn_at_each_length(null, ax):
    plots.plot_null(null, length=1, ax=ax)
    drawn = np.sort(null.scores[0, :, 0])
    np.testing.assert_array_equal(np.sort(ax.lines[0].get_xdata()), drawn)
    with pytest.raises(ValueError, match=r"`length` must be in \[1, 2\]"):
        plots.plot_null(null, length=3, ax=ax)


def test_a_new_figure_is_made_where_no_axes_are_given(run):
    ax = plots.plot_layer(run.explanations)
    assert ax.figure is not None
    pyplot.close(ax.figure)


def test_matplotlib_missing_is_said_with_its_extra(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'invert_jax\[report\]'"):
        plots.plot_layer(run.explanations)
