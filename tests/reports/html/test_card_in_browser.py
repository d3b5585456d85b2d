"""The card of a unit in a real browser."""

import pytest

pytest.importorskip("selenium", reason="the page is tested through selenium")

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

import invert_jax as ij
from tests.reports.html.browsing import open_page, rows, shown


def test_a_link_opens_its_unit(browser, full_page, run):
    open_page(browser, full_page, "#unit-7")
    assert shown(browser, "#card-title") == "Unit 7"
    card = shown(browser, "#card")
    assert f"{run.explanations.scores[7, 0]:.4f}" in card
    assert f"{run.explanations.num_positives[7, 0]} of 160 samples" in card
    # 12 highest, 6 lowest, 6 where the formula holds; on none of these it is low.
    assert len(browser.find_elements(By.CSS_SELECTOR, "#card .tiles img")) == 24
    assert len(browser.find_elements(By.CSS_SELECTOR, "#card canvas.heat")) == 12
    browser.execute_script("location.hash = '#unit-2'")
    WebDriverWait(browser, 5).until(lambda b: shown(b, "#card-title") == "Unit 2")


def test_a_link_to_no_unit_says_so(browser, full_page):
    open_page(browser, full_page, "#unit-99")
    assert "no unit 99" in shown(browser, "#shown")
    assert not browser.find_element(By.ID, "card").is_displayed()


def test_a_unit_without_a_label_says_why(browser, full_page):
    open_page(browser, full_page, "#unit-6")
    assert "same activation on every sample" in shown(browser, "#card")


def test_a_literal_is_worth_what_the_score_loses_without_it(browser, full_page, run):
    open_page(browser, full_page, "#unit-7")
    without = ij.scores_without(run.explanations, run.activations, run.concepts)[7]
    worth = run.explanations.scores[7, 0] - without
    parts = browser.find_elements(By.CSS_SELECTOR, "#card .part")
    part = next(each for each in parts if "Worth" in each.text)
    cells = part.find_elements(By.CSS_SELECTOR, "td.num")
    shown = [cell.text.replace("\u2212", "-") for cell in cells][: 2 * len(worth)]
    for place, (score, lost) in enumerate(zip(without, worth, strict=True)):
        assert shown[2 * place] == f"{score:.4f}"
        assert abs(float(shown[2 * place + 1]) - lost) < 6e-5


def test_equal_activations_are_said_to_count_half(browser, full_page):
    open_page(browser, full_page, "#unit-0")
    assert "ties counted half" in shown(browser, "#card")
    assert "equal activations count half" in shown(browser, "footer")


def test_keys_open_the_next_unit_and_close_it(browser, full_page):
    open_page(browser, full_page)
    first, second = rows(browser)[:2]
    table = browser.find_element(By.ID, "table")
    table.send_keys(Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    assert shown(browser, "#card-title") == f"Unit {second}"
    assert browser.current_url.endswith(f"#unit-{second}")
    table.send_keys(Keys.ARROW_UP)
    assert shown(browser, "#card-title") == f"Unit {first}"
    selected = browser.find_elements(By.CSS_SELECTOR, "tr[aria-selected=true]")
    assert [each.get_attribute("id") for each in selected] == [
        table.get_attribute("aria-activedescendant")
    ]
    table.send_keys(Keys.ENTER)
    assert browser.switch_to.active_element.get_attribute("id") == "card"
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not browser.find_element(By.ID, "card").is_displayed()
    assert browser.switch_to.active_element.get_attribute("id") == "table"
    table.send_keys("/")
    assert browser.switch_to.active_element.get_attribute("id") == "search"


def test_what_is_folded_is_printed(browser, full_page):
    open_page(browser, full_page, "#unit-7")
    count = "return document.querySelectorAll('details:not([open])').length"
    assert browser.execute_script(count) > 0
    browser.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    assert browser.execute_script(count) == 0
    browser.execute_script("window.dispatchEvent(new Event('afterprint'))")
    assert browser.execute_script(count) > 0
