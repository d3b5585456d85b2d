"""The table of units in a real browser."""

import csv
import io
import time

import numpy as np
import pytest

pytest.importorskip("selenium", reason="the page is tested through selenium")

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

import invert_jax as ij
from invert_jax.reports.page import report
from tests.reports.html.browsing import open_page, rows, search, shown, window_of
from tests.reports.small_pages import many_units


def test_units_are_sorted_by_their_score_and_then_as_asked(browser, full_page, run):
    open_page(browser, full_page)
    scores = run.explanations.scores[:, 0]
    assert rows(browser) == np.argsort(-scores, kind="stable").tolist()
    header = "#table th[data-key=unit] button"
    browser.find_element(By.CSS_SELECTOR, header).click()
    assert rows(browser) == list(range(8))
    browser.find_element(By.CSS_SELECTOR, header).click()
    assert rows(browser) == list(range(8))[::-1]
    state = browser.find_element(By.CSS_SELECTOR, "#table th[data-key=unit]")
    assert state.get_attribute("aria-sort") == "descending"


def test_a_search_keeps_the_units_that_name_it(browser, full_page, run):
    open_page(browser, full_page)
    for words in ("octopus", "שלום", '"say \\"hi"', "<script>", "no such thing"):
        plain = words.strip('"').replace('\\"', '"')
        named = [
            neuron
            for neuron, (best, *_) in enumerate(run.explanations.formulas)
            if best is not None and any(plain in name for name in best.names)
        ]
        assert sorted(search(browser, words.replace('\\"', '"'))) == named
    assert "0 of 8 units" in shown(browser, "#shown")
    browser.find_element(By.ID, "clear").click()
    assert len(rows(browser)) == 8


def test_filters_keep_units_of_a_status_and_a_score(browser, full_page, run):
    open_page(browser, full_page)
    Select(browser.find_element(By.ID, "status")).select_by_value("constant")
    assert rows(browser) == [6]
    browser.find_element(By.ID, "clear").click()
    scores = run.explanations.scores[:, 0]
    least = np.sort(scores)[4]
    browser.find_element(By.ID, "least").send_keys(repr(float(least)))
    assert sorted(rows(browser)) == np.flatnonzero(scores >= least).tolist()


def test_a_score_that_is_just_the_least_is_kept_and_in_the_bin_above(
    browser, run, tmp_path
):
    masks = np.tile(np.arange(20) < 10, 4)
    values = np.tile([10.0] * 10 + [11.0] + [9.0] * 9, 4)[:, None]
    concepts = ij.Concepts.from_masks(masks[:, None], ["half"])
    labels = ij.explain(
        values, concepts, max_length=1, beam_size=1, min_fraction=0.5,
        options=ij.Options(progress=False),
    )  # fmt: skip
    assert labels.scores[0, 0] == pytest.approx(0.9, abs=1e-15)
    open_page(browser, report(labels, tmp_path / "page.html"))
    browser.find_element(By.ID, "least").send_keys("0.9")
    assert rows(browser) == [0]
    titles = browser.execute_script(
        "return [...document.querySelectorAll('#summary g.link title')]"
        ".map((each) => each.textContent)"
    )
    assert titles == ["1 unit from 0.900 to 0.905"]


def test_a_concept_of_the_bar_chart_filters_the_table(browser, full_page, run):
    open_page(browser, full_page)
    bar = browser.find_element(By.CSS_SELECTOR, ".bar-chart button")
    name = bar.find_element(By.CSS_SELECTOR, ".name").get_attribute("textContent")
    bar.click()
    using = [
        neuron
        for neuron, (best, *_) in enumerate(run.explanations.formulas)
        if best is not None and name in best.names
    ]
    assert sorted(rows(browser)) == using


def test_the_csv_has_the_columns_and_numbers_of_to_arrow(browser, run, tmp_path):
    quiet = ij.Options(progress=False)
    labels = ij.explain(
        run.activations, run.concepts, max_length=2, beam_size=3, min_fraction=0.25,
        holdout=0.5, key=0, options=quiet,
    )  # fmt: skip
    open_page(browser, report(labels, tmp_path / "page.html"))
    text = browser.execute_script("return state.table.csv()")
    written = list(csv.DictReader(io.StringIO(text)))
    expected = {each["neuron"]: each for each in labels.to_arrow().to_pylist()}
    assert len(written) == 8
    assert set(written[0]) - {"in_words"} <= set(labels.to_arrow().column_names)
    assert {"held_out_low", "held_out_high", "fraction"} <= set(written[0])
    for row in written:
        of_unit = expected[int(row["neuron"])]
        for name in set(row) - {"in_words", "neuron", "name", "status"}:
            value = of_unit[name]
            if value is None or value != value:
                assert row[name] == ""
            elif name == "label_notes":
                assert row[name] == value
            else:
                assert float(row[name]) == pytest.approx(value, rel=5e-7)


def test_the_rows_in_view_are_there_before_any_scroll(browser, run, tmp_path):
    many = many_units(run, 400)
    open_page(browser, report(many, tmp_path / "many.html"))
    empty = browser.execute_script(
        "const box = document.getElementById('viewport').getBoundingClientRect();"
        "const rows = [...document.querySelectorAll('#table tbody tr')];"
        "return box.bottom - rows.at(-2).getBoundingClientRect().bottom"
    )
    assert empty <= 0


def test_only_the_rows_in_view_are_in_the_document(browser, run, tmp_path):
    many = many_units(run, 4000)
    path = report(many, tmp_path / "many.html")
    open_page(browser, path)
    assert len(rows(browser)) < 80
    table = browser.find_element(By.ID, "table")
    assert table.get_attribute("aria-rowcount") == "4001"
    table.send_keys(Keys.END)
    state = browser.find_element(By.CSS_SELECTOR, "tr[aria-selected=true]")
    assert state.get_attribute("aria-rowindex") == "4001"
    assert len(rows(browser)) < 80


def test_twenty_thousand_units_open_in_three_seconds_and_scroll(browser, run, tmp_path):
    many = many_units(run, 20_000)
    path = report(many, tmp_path / "many.html")
    seconds: list[float] = []
    # On a machine that is busy with other tests the best of three counts.
    while len(seconds) < 3 and min(seconds, default=3) >= 3:
        start = time.perf_counter()
        open_page(browser, path)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 3
    # Each step draws other rows; at 60 a second a frame has 17 ms.
    a_frame = browser.execute_script(
        "const box = document.getElementById('viewport');"
        "const start = performance.now();"
        "for (let step = 0; step < 50; step++) {"
        "  box.scrollTop = step * 12000; state.table.render(); box.offsetHeight;"
        "} return (performance.now() - start) / 50 / 1000"
    )
    assert a_frame < 0.1
    assert max(rows(browser)) > 0
    assert len(rows(browser)) < 80


@pytest.mark.parametrize("width", [390, 700, 1000, 1150, 1500])
def test_the_formula_has_room_at_every_width(browser, full_page, width):
    with window_of(browser, width):
        open_page(browser, full_page)
        for link in ("", "#unit-7"):
            browser.execute_script(f"location.hash = '{link}'")
            cell = browser.find_element(By.CSS_SELECTOR, "#table td.words")
            assert cell.size["width"] > 150


def test_narrow_rows_are_as_high_as_the_table_counts_on(browser, full_page):
    with window_of(browser, 390, mobile=True):
        open_page(browser, full_page)
        heights = browser.execute_script(
            "return [...state.table.rows.values()].map((each) => each.offsetHeight)"
        )
        counted = browser.execute_script("return state.table.rowHeight")
        assert set(heights) == {counted}
        open_page(browser, full_page, "#unit-7")
        inert = "return document.getElementById('viewport').inert"
        assert browser.execute_script(inert)
        assert not browser.execute_script("return element('card').closest('[inert]')")
        browser.find_element(By.CSS_SELECTOR, "#card [aria-label=Close]").click()
        assert not browser.execute_script(inert)


def test_it_prints_the_whole_table(browser, run, tmp_path):
    many = many_units(run, 400)
    open_page(browser, report(many, tmp_path / "many.html"))
    assert len(rows(browser)) < 80
    browser.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    assert len(rows(browser)) == 400
    browser.execute_script("window.dispatchEvent(new Event('afterprint'))")
    assert len(rows(browser)) < 80
