"""What tests of the page do in a browser."""

from contextlib import contextmanager

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait


def open_page(browser, path, link=""):
    browser.get("about:blank")
    drain(browser)
    browser.get(path.as_uri() + link)
    ready = "return document.documentElement.dataset.ready === 'true'"
    WebDriverWait(browser, 20).until(lambda b: b.execute_script(ready))
    return browser


def drain(browser):
    return browser.get_log("browser"), browser.get_log("performance")


def rows(browser):
    """Unit numbers of the rows in the document, in order."""
    links = browser.find_elements(By.CSS_SELECTOR, "#table tbody td.unit a")
    return [int(link.get_attribute("textContent")) for link in links]


def shown(browser, selector):
    return browser.find_element(By.CSS_SELECTOR, selector).text


def search(browser, words):
    box = browser.find_element(By.ID, "search")
    box.clear()
    box.send_keys(words)
    box.send_keys(Keys.SHIFT)
    return rows(browser)


@contextmanager
def window_of(browser, width, *, mobile=False):
    """A window of another width, until the block ends."""
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": mobile}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
