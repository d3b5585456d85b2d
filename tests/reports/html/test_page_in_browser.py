"""The page in a real browser, opened from a file, without a network."""

import dataclasses
import json

import numpy as np
import pytest

pytest.importorskip("selenium", reason="the page is tested through selenium")

from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

import invert_jax as ij
from invert_jax.reports.page import report
from tests.reports.html.browsing import drain, open_page, rows, shown, window_of
from tests.reports.small_pages import NAMES


def test_it_opens_without_an_error_and_without_a_request(browser, full_page):
    open_page(browser, full_page, "#unit-0")
    console, events = drain(browser)
    assert console == []
    sent = [
        message["params"]["request"]["url"]
        for message in (json.loads(each["message"])["message"] for each in events)
        if message["method"] == "Network.requestWillBeSent"
    ]
    allowed = ("file:", "data:", "about:")
    assert any(url.startswith("file:") for url in sent)
    assert [url for url in sent if not url.startswith(allowed)] == []
    assert len([url for url in sent if url.startswith("file:")]) == 1


def test_its_policy_lets_no_other_script_run(browser, full_page):
    open_page(browser, full_page)
    browser.execute_script(
        "const s = document.createElement('script'); s.textContent = 'window.ran = 1';"
        "document.body.append(s);"
    )
    assert browser.execute_script("return window.ran") is None


def test_names_are_shown_as_they_are_and_never_run(browser, full_page):
    open_page(browser, full_page, "#unit-0")
    for neuron, name in enumerate(NAMES):
        open_page(browser, full_page, f"#unit-{neuron}")
        card = shown(browser, "#card")
        assert name in card.replace("\u2068", "")
        assert f"<b>{name}</b>" in card
    assert shown(browser, "h1") == "Names as <data>"
    assert browser.execute_script("return window.broken") is None


def test_every_control_has_a_name_for_screen_readers(browser, full_page):
    open_page(browser, full_page, "#unit-0")
    browser.execute_cdp_cmd("Accessibility.enable", {})
    nodes = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles = {"button", "textbox", "searchbox", "combobox", "link", "image", "grid"}
    unnamed = [
        node["role"]["value"]
        for node in nodes
        if not node.get("ignored")
        and node.get("role", {}).get("value") in roles
        and not node.get("name", {}).get("value")
    ]
    assert unnamed == []
    assert {"searchbox", "grid", "button"} <= {
        node["role"]["value"] for node in nodes if "role" in node
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_in_dark(browser, full_page, scheme):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    try:
        open_page(browser, full_page, "#unit-0")
        for name in ("ink", "muted", "accent", "inside", "good", "doubt"):
            assert contrast(browser, name, "panel") >= 4.5 - 1e-9, name
        dark = luminance(browser, "page") < 0.1
        assert dark == (scheme == "dark")
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def luminance(browser, name):
    """Relative luminance of a color of the page, as WCAG 2.1 defines it."""
    color = browser.execute_script(
        "return getComputedStyle(document.documentElement)"
        f".getPropertyValue('--{name}').trim()"
    )
    parts = np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def contrast(browser, first, second):
    light, dark = sorted(
        [luminance(browser, first), luminance(browser, second)], reverse=True
    )
    return (light + 0.05) / (dark + 0.05)


def test_a_narrow_window_does_not_scroll_sideways(browser, full_page):
    with window_of(browser, 390, mobile=True):
        open_page(browser, full_page)
        assert browser.execute_script("return document.body.scrollWidth") <= 390
        open_page(browser, full_page, "#unit-7")
        box = browser.execute_script(
            "return document.getElementById('card').getBoundingClientRect().toJSON()"
        )
        assert (box["left"], box["width"]) == (0, 390)


def test_a_page_of_labels_alone_opens_and_says_what_is_missing(browser, run, tmp_path):
    path = report(run.explanations, tmp_path / "bare.html")
    open_page(browser, path, "#unit-7")
    assert drain(browser)[0] == []
    notes = shown(browser, "footer")
    assert "No activations were given" in notes
    assert "No concepts were given" in notes
    assert browser.find_elements(By.CSS_SELECTOR, "#card .tiles") == []


def test_layers_are_chosen_by_button_and_by_link(browser, run, tmp_path):
    layers = {"a/b": run.explanations, "c": run.explanations.take([5, 7])}
    path = report(layers, tmp_path / "layers.html")
    open_page(browser, path)
    assert len(rows(browser)) == 8
    browser.find_element(By.CSS_SELECTOR, "#layers button[data-layer='1']").click()
    assert sorted(rows(browser)) == [5, 7]
    open_page(browser, path, "#c/unit-7")
    assert shown(browser, "#card-title") == "Unit 7"
    assert len(rows(browser)) == 2
    open_page(browser, path, "#a%2Fb/unit-7")
    assert len(rows(browser)) == 8


def test_a_comparison_leads_to_its_units(browser, run, tmp_path):
    other = run.explanations.take([1, 0, 2, 3, 4, 5, 6, 7])
    other = dataclasses.replace(other, neurons=np.arange(8))
    found = ij.compare(other, run.explanations, concepts=run.concepts)
    path = report(run.explanations, tmp_path / "two.html", comparison=found)
    open_page(browser, path)
    assert drain(browser)[0] == []
    unit = browser.find_element(By.CSS_SELECTOR, ".comparison tbody a")
    number = unit.get_attribute("textContent")
    unit.click()
    wanted = f"Unit {number}"
    WebDriverWait(browser, 5).until(lambda b: shown(b, "#card-title") == wanted)
    bar = browser.find_elements(By.CSS_SELECTOR, ".comparison .statuses svg")
    widths = [each.size["width"] for each in bar]
    assert len(widths) == len(found.counts) and min(widths) > 2
    plot = browser.find_element(By.CSS_SELECTOR, ".comparison svg[role=img]")
    assert "AUROC of the labels of a" in plot.get_attribute("aria-label")


def test_another_layer_forgets_the_link_and_a_long_name_is_wrapped(
    browser, run, tmp_path
):
    layers = {"a": run.explanations, "b" * 300: run.explanations}
    open_page(browser, report(layers, tmp_path / "page.html"), "#a/unit-3")
    browser.find_element(By.CSS_SELECTOR, "#layers button[data-layer='1']").click()
    assert browser.execute_script("return location.hash") == ""
    wide = "return document.documentElement.scrollWidth - window.innerWidth"
    assert browser.execute_script(wide) <= 0
