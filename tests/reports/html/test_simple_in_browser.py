"""Simple labels, notes and evidence on the page, in a real browser."""

import dataclasses

import numpy as np
import pytest

pytest.importorskip("selenium", reason="the page is tested through selenium")

from selenium.webdriver.common.by import By

import invert_jax as ij
from invert_jax.reports.page import report
from tests.reports.html.browsing import open_page, search, shown
from tests.reports.pages_read import data_of, unpacked

NAMES = ["shape=cat", "shape=dog", "texture=fur", "texture=wool", "rare"]
NUM_SAMPLES = 2000


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(4)
    masks = rng.random((NUM_SAMPLES, 5)) < np.array([0.3, 0.3, 0.3, 0.3, 0.04])
    masks[:, 3] |= masks[:, 4]
    values = np.stack(
        [
            # Hardly better told by `cat & ~rare` than by `cat`.
            masks[:, 0] * (1 - 0.75 * masks[:, 4]),
            masks[:, 0] & masks[:, 2],
            3 * masks[:, 4],
            np.zeros(NUM_SAMPLES),
        ],
        axis=1,
    )
    values = (2 * values + rng.normal(size=values.shape)).astype(np.float32)
    concepts = ij.Concepts.from_masks(masks, NAMES)
    labels = ij.explain(
        values, concepts, max_length=3, beam_size=3, min_fraction=0.1, holdout=0.5,
        key=0, options=ij.Options(progress=False),
    )  # fmt: skip
    return labels.simplest(), values, concepts


@pytest.fixture(scope="module")
def page(world, tmp_path_factory):
    labels, values, concepts = world
    path = tmp_path_factory.mktemp("simple") / "page.html"
    return report(labels, path, activations=values, concepts=concepts)


def test_the_simple_label_stands_first_and_the_longest_beside_it(browser, page, world):
    labels, _, _ = world
    assert str(labels.formula(0)) == "shape=cat"
    longest = labels.at_length(3).formula(0)
    assert longest.length > 1
    open_page(browser, page, "#unit-0")
    assert shown(browser, "#card .lead") == "shape=cat"
    card = shown(browser, "#card").replace("\u2068", "").replace("\u2069", "")
    assert f"With up to 3 literals: {longest.to_words()}" in card
    held_out = labels.held_out.scores_by_length[0]
    for score in held_out:
        assert f"{score:.4f}" in card
    assert "Shown is the shortest of the best formulas" in shown(browser, ".run")


def test_the_top_is_told_in_card_and_table(browser, page, world):
    labels, _, _ = world
    open_page(browser, page, "#unit-0")
    hits = 20 * labels.panel["precision_at_top"][0]
    precision = labels.panel["average_precision"][0]
    card = shown(browser, "#card")
    assert f"It holds on {hits:g} of its 20 highest held-out samples" in card
    assert f"average precision {precision:.2f}" in card
    open_page(browser, page)
    heads = shown(browser, "#table thead")
    assert "Top 20" in heads and "AP" in heads
    row = browser.find_element(By.ID, "row-0")
    assert row.find_element(By.CSS_SELECTOR, ".top").text == f"{hits / 20:.2f}"
    assert row.find_element(By.CSS_SELECTOR, ".ap").text == f"{precision:.2f}"


def test_notes_are_sentences_on_the_card_and_found_by_a_search(browser, page, world):
    labels, _, _ = world
    assert "rarer_concept: rare" in labels.label_notes[2]
    open_page(browser, page, "#unit-2")
    card = shown(browser, "#card").replace("\u2068", "").replace("\u2069", "")
    assert "too rare to be searched, fits significantly better: rare" in card
    open_page(browser, page)
    noted = [
        position
        for position, notes in enumerate(labels.label_notes)
        if any("rarer_concept" in note for note in notes)
    ]
    assert sorted(search(browser, "rarer_concept")) == noted


def test_concepts_of_the_highest_samples_have_their_lift(browser, page, world):
    labels, values, concepts = world
    open_page(browser, page, "#unit-2")
    searched = labels.samples
    assert "True of the highest of the samples searched" in shown(browser, "#card")
    highest = searched[np.argsort(-values[searched, 2], kind="stable")[:20]]
    hits = int(concepts.masks()[highest, 4].sum())
    share = concepts.masks()[searched, 4].mean()
    card = shown(browser, "#card")
    assert "True of the highest" in card
    assert f"{hits} of 20" in card
    assert f"{hits / 20 / share:.0f}" in card.split("Lift")[1]


def test_rows_of_the_formulas_own_samples_and_of_its_misses(browser, page, world):
    labels, values, concepts = world
    open_page(browser, page, "#unit-0")
    parts = browser.find_elements(By.CSS_SELECTOR, "#card .part")
    own = next(part for part in parts if "Where the formula holds" in part.text)
    misses = next(part for part in parts if "holds and the unit is low" in part.text)
    for part in (own, misses):
        tiles = part.find_elements(By.CSS_SELECTOR, "li")
        assert len(tiles) == 6
        assert all("in" in tile.get_attribute("class").split() for tile in tiles)
    counted = np.flatnonzero(concepts.masks()[labels.samples, 0])
    lowest = values[labels.samples][counted, 0].min()
    first = misses.find_element(By.CSS_SELECTOR, ".caption").text
    assert f"{lowest:.2f}"[:4].replace("-", "\u2212") in first


def test_where_no_label_of_a_length_can_be_judged_the_rest_is_drawn(browser, tmp_path):
    rng = np.random.default_rng(0)
    masks = rng.random((60, 6)) < 0.3
    noise = rng.normal(size=(60, 2)).astype(np.float32)
    concepts = ij.Concepts.from_masks(masks, [f"c{k}" for k in range(6)])
    with pytest.warns(ij.FewPositivesWarning):
        labels = ij.explain(
            noise, concepts, min_fraction=0.05, holdout=0.3, key=1,
            options=ij.Options(progress=False),
        )  # fmt: skip
    assert labels.held_out is not None
    sums, supports = labels.held_out.sums.copy(), labels.held_out.supports.copy()
    sums[:, 1:] = supports[:, 1:] = 0
    held_out = dataclasses.replace(labels.held_out, sums=sums, supports=supports)
    labels = dataclasses.replace(labels, held_out=held_out)
    open_page(browser, report(labels, tmp_path / "page.html"))
    assert len(browser.find_elements(By.CSS_SELECTOR, "#overview circle.dot")) == 1
    assert len(browser.find_elements(By.CSS_SELECTOR, "#table tbody tr[id]")) == 2


def test_kinds_of_concepts_are_counted(browser, page, world):
    labels, _, _ = world
    open_page(browser, page)
    summary = shown(browser, "#summary")
    assert "Kinds of concepts" in summary
    for kinds, count in labels.shares().num_labels.items():
        assert f"{kinds} {count}" in summary


def test_length_is_drawn_by_held_out_scores(page, world):
    labels, _, _ = world
    summary = data_of(page, "layer-data-0")["summary"]
    medians = [quartiles[1] for quartiles in summary["quartiles"]]
    expected = np.nanmedian(labels.held_out.scores_by_length, axis=0)
    np.testing.assert_allclose(medians, expected)
    evidence = data_of(page, "layer-data-0")["evidence"]
    np.testing.assert_allclose(
        unpacked(evidence["byLength"]), labels.held_out.scores_by_length, rtol=1e-6
    )
