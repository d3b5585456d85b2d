"""One small run, its page, and a real browser."""

import shutil

import pytest

from tests.reports.small_pages import make_page, make_run

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic",
    "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-dev-shm-usage", "--window-size=1400,1000",
)  # fmt: skip


@pytest.fixture(scope="session")
def run():
    return make_run()


@pytest.fixture(scope="session")
def full_page(run, tmp_path_factory):
    return make_page(run, tmp_path_factory.mktemp("report") / "full page.html")


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A headless Chromium that keeps a record of errors and requests."""
    webdriver = pytest.importorskip("selenium.webdriver")
    driver, chromium = map(shutil.which, ("chromedriver", "chromium"))
    if driver is None or chromium is None:
        pytest.skip("needs Debian's chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    logs = {"browser": "ALL", "performance": "ALL"}
    options.set_capability("goog:loggingPrefs", logs)
    service = webdriver.ChromeService(executable_path=driver)
    chrome = webdriver.Chrome(options=options, service=service)
    yield chrome
    chrome.quit()
