"""What is of several runs is refused before a page is made of it."""

import numpy as np
import pytest

import invert_jax as ij
from invert_jax.reports.material import named_layers
from invert_jax.reports.page import report
from tests.reports.small_pages import NAMES


def refused(run, match, labels=None, **given):
    with pytest.raises((ValueError, TypeError), match=match):
        report(labels or run.explanations, "page.html", **given)


def test_activations_of_other_samples_or_neurons_are_refused(run):
    values = np.asarray(run.activations)
    refused(run, "of 160 samples; got 159", activations=values[1:])
    refused(run, "up to 7; got 3 neurons", activations=values[:, :3])
    named = ij.Activations(values, [f"n{each}" for each in range(8)])
    refused(run, "neuron 0 is '0' there and 'n0' here", activations=named)


def test_labels_of_another_run_are_refused_in_words(run):
    others = run.concepts.select(run.concepts.names[:3])
    refused(run, "have no concept .* labels of another run", concepts=others)
    masks = run.concepts.masks()[::-1].copy()
    masks[:100] = ~masks[:100]
    flipped = ij.Concepts.from_masks(masks, NAMES)
    refused(run, r"holds on \d+ samples of these and on \d+", concepts=flipped)
    refused(run, "must describe the 160 samples", concepts=run.concepts.take([0, 1]))
    refused(run, "must be a Concepts table; got list", concepts=[1, 2])


def test_ids_in_another_order_are_refused(run):
    ids = run.activations.ids[::-1]
    mixed = ij.Activations(np.asarray(run.activations), ids=ids)
    refused(run, "has the id", activations=mixed, concepts=run.concepts)


def test_layers_need_inputs_by_layer(run):
    both = {"a": run.explanations, "b": run.explanations}
    values = np.asarray(run.activations)
    refused(run, "`activations` must be a dict", both, activations=values)
    refused(run, "must hold the layer 'b'", both, activations={"a": values})
    fewer = {"a": values, "b": values[:100]}
    some = ij.explain(
        values[:100], run.concepts.take(np.arange(100)), max_length=1, beam_size=1,
        min_fraction=0.25, options=ij.Options(progress=False),
    )  # fmt: skip
    apart = {"a": run.explanations, "b": some}
    refused(run, "same samples; .* 100 and 160 samples", apart, activations=fewer)
    refused(run, "`maps` must be a dict", both, maps=np.zeros((160, 1, 1, 8)))
    refused(run, "`maps` must be by the names", maps={"x": np.zeros((160, 1, 1, 8))})
    with pytest.raises(ValueError, match="at least one layer; got none"):
        named_layers({})
    with pytest.raises(TypeError, match="must be an Explanations or a dict"):
        named_layers([run.explanations])


def test_layers_of_other_samples_are_refused_by_their_ids(run):
    values = np.asarray(run.activations)
    given = {
        name: ij.Activations(values, ids=np.array([f"{name}{n}" for n in range(160)]))
        for name in "ab"
    }
    both = {"a": run.explanations, "b": run.explanations}
    refused(run, "the ids of layer 'b' differ from those of", both, activations=given)


def test_maps_with_neurons_on_another_axis_are_refused(run):
    maps = np.zeros((160, 8, 9, 9))
    refused(run, "`maps` must be of shape", activations=run.activations, maps=maps)
