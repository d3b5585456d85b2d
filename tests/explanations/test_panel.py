"""The panel of a layer: each metric as scikit-learn has it, on the right samples."""

import dataclasses

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

import invert_jax as ij
from invert_jax.explanations.panel import METRICS
from tests.held_out_runs import (
    NUM_SAMPLES,
    explain,
    make_activations,
    make_concepts,
)


@pytest.fixture(scope="module")
def concepts():
    return make_concepts()


@pytest.fixture(scope="module")
def activations():
    return make_activations()


@pytest.fixture(scope="module")
def found(activations, concepts):
    return explain(activations, concepts, holdout=0.5, key=5)


@pytest.fixture(scope="module")
def negative(activations, concepts):
    return explain(activations, concepts, holdout=0.5, key=5, sign="negative")


def labels_of(explanations, activations, concepts):
    """Position, activation and mask of each label on the held-out samples."""
    samples = explanations.held_out.samples
    for position in np.flatnonzero(explanations.has_formula).tolist():
        mask = explanations.formula(position).evaluate(concepts)[samples]
        yield position, activations[samples, position].astype(np.float64), mask


def slow_precision(values, mask, count):
    """Of the first samples, those that tie at the last counted in part."""
    ordered = np.sort(values)[::-1]
    last = ordered[count - 1]
    sure, tied = values > last, values == last
    return (mask[sure].sum() + (count - sure.sum()) * mask[tied].mean()) / count


@pytest.mark.parametrize("sign", ["positive", "negative"])
def test_metrics_of_the_top_are_of_the_highest_or_lowest(
    found, negative, activations, concepts, sign
):
    explanations = found if sign == "positive" else negative
    panel = explanations.panel
    assert panel.is_held_out and panel.num_samples == NUM_SAMPLES // 2
    for position, values, mask in labels_of(explanations, activations, concepts):
        turned = -values if sign == "negative" else values
        precision = sklearn_metrics.average_precision_score(mask, turned)
        assert panel["average_precision"][position] == pytest.approx(precision)
        for name, count in (("precision_at_top", 20), ("r_precision", mask.sum())):
            expected = slow_precision(turned, mask, count)
            assert panel[name][position] == pytest.approx(expected)
        # Of the activation as it is.
        auroc = sklearn_metrics.roc_auc_score(mask, values)
        assert panel["auroc"][position] == pytest.approx(auroc)
        assert panel["auroc"][position] == explanations.held_out.scores[position, 0]
        correlation = np.corrcoef(values, mask)[0, 1]
        assert panel["pearson"][position] == pytest.approx(correlation, abs=1e-12)
        assert panel["mad"][position] == pytest.approx(
            (values[mask].mean() - values[~mask].mean()) / values[~mask].std()
        )
        best = 1 - auroc if sign == "negative" else auroc
        other = panel["other_way_auc_0.01"][position]
        expected = 2 * best * other / (best + other)
        assert panel["harmonic_auc_0.01"][position] == pytest.approx(
            expected, nan_ok=True
        )


@pytest.mark.parametrize("sign", ["positive", "negative"])
def test_the_threshold_is_chosen_where_it_is_not_judged(
    found, negative, activations, concepts, sign
):
    explanations = found if sign == "positive" else negative
    for position in np.flatnonzero(explanations.has_formula).tolist():
        mask = explanations.formula(position).evaluate(concepts)
        turned = activations[:, position] * (-1.0 if sign == "negative" else 1.0)
        searched, judged = explanations.samples, explanations.held_out.samples
        every = {
            threshold: sklearn_metrics.f1_score(
                mask[searched], turned[searched] >= threshold
            )
            for threshold in np.unique(turned[searched])
        }
        threshold = explanations.panel["f1_threshold"][position]
        threshold = -threshold if sign == "negative" else threshold
        assert every[threshold] == pytest.approx(max(every.values()))
        expected = sklearn_metrics.f1_score(mask[judged], turned[judged] >= threshold)
        assert explanations.panel["f1"][position] == pytest.approx(expected)


def test_a_neuron_without_a_label_has_no_metrics(found):
    (silent,) = np.flatnonzero(~found.has_formula)
    assert all(np.isnan(found.panel[name][silent]) for name in METRICS)


def test_without_held_out_samples_the_searched_ones_are_measured(activations, concepts):
    labels = explain(activations, concepts)
    assert labels.panel is None
    labels = explain(activations, concepts, panel=True, precision_at=5)
    assert not labels.panel.is_held_out and labels.panel.precision_at == 5
    np.testing.assert_array_equal(labels.panel["auroc"], labels.scores[:, 0])
    again = explain(activations, concepts).with_panel(
        activations, concepts, precision_at=5
    )
    np.testing.assert_array_equal(again.panel.values, labels.panel.values)


def test_it_can_be_left_out(activations, concepts):
    labels = explain(activations, concepts, holdout=0.5, key=5, panel=False)
    assert labels.panel is None and labels.held_out is not None


def test_measured_later_it_is_the_same(found, negative, activations, concepts):
    for labels in (found, negative, found.simplest(), found.take([5, 3, 20])):
        without = dataclasses.replace(labels, panel=None)
        again = without.with_panel(activations, concepts).panel
        np.testing.assert_array_equal(again.values, labels.panel.values)
        np.testing.assert_array_equal(again.rarer_concepts, labels.panel.rarer_concepts)


def test_other_activations_and_concepts_are_refused(found, activations, concepts):
    with pytest.raises(ValueError, match="another run"):
        found.with_panel(activations[:, ::-1], concepts)
    with pytest.raises(ValueError, match="`activations` must be those"):
        found.with_panel(activations[:5], concepts)
    with pytest.raises(ValueError, match="`concepts` must be those"):
        found.with_panel(activations, concepts.select(concepts.names[:3]))
    searched = found.samples
    with pytest.raises(ValueError, match="must have the held-out samples too"):
        found.with_panel(activations[searched], concepts.take(searched))


def test_other_held_out_activations_are_refused(found, activations, concepts):
    shuffled = activations.copy()
    samples = found.held_out.samples
    shuffled[samples] = activations[samples[::-1]]
    with pytest.raises(ValueError, match="on the held-out samples labels score other"):
        found.with_panel(shuffled, concepts)


def test_it_is_looked_into_as_a_mapping(found):
    assert "f1" in found.panel and "f2" not in found.panel
    assert list(found.panel) == list(METRICS) and len(found.panel) == len(METRICS)
    assert set(dict(found.panel)) == set(METRICS)


def test_bad_settings_of_a_panel_are_named(activations, concepts):
    with pytest.raises(ValueError, match="`precision_at` is of the panel, which is no"):
        explain(activations, concepts, precision_at=5)
    with pytest.raises(TypeError, match="panel"):
        explain(activations, concepts, panel="yes")
    with pytest.raises(ValueError, match="`precision_at`"):
        explain(activations, concepts, precision_at=0)
    with pytest.raises(ValueError, match="`precision_at`"):
        explain(activations, concepts).with_panel(activations, concepts, precision_at=0)


def test_an_unknown_metric_names_those_there_are(found):
    with pytest.raises(KeyError, match=r"average_precision.*'f2'"):
        found.panel["f2"]
    assert tuple(dict(found.panel)) == METRICS


def test_it_comes_back_from_disk_in_tables_and_in_print(found, tmp_path):
    labels = found.simplest()
    labels.save(tmp_path / "labels")
    labels.export(tmp_path / "labels.json")
    for path in ("labels", "labels.json"):
        read = ij.Explanations.load(tmp_path / path)
        assert read.panel is not None
        np.testing.assert_array_equal(read.panel.values, labels.panel.values)
        assert read.panel.precision_at == 20 and read.panel.is_held_out
        assert read.to_arrow().equals(labels.to_arrow())
    table = labels.to_pandas()
    np.testing.assert_array_equal(
        table["held_out_average_precision"], labels.panel["average_precision"]
    )
    assert table["held_out_precision_at_20"].notna().sum() == labels.has_formula.sum()
    best = labels.to_pandas(all_ranks=True)
    assert best.loc[best["rank"] > 0, "held_out_average_precision"].isna().all()
    printed = str(labels)
    assert "AP" in printed and "top 20" in printed
    assert "top 20" in labels._repr_html_()
    labels.export(tmp_path / "labels.md")
    assert "| AP | top 20 |" in (tmp_path / "labels.md").read_text()


def test_fewer_samples_than_the_highest_are_all_of_them():
    concepts = ij.Concepts.from_masks(np.arange(12)[:, None] % 3 == 0, ["third"])
    labels = explain(
        np.arange(12.0)[:, None], concepts, max_length=1, panel=True, precision_at=50
    )
    assert labels.panel.num_highest == 12
    assert labels.panel["precision_at_top"].item() == labels.fractions[0, 0]
