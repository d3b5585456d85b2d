from importlib import resources

import pytest

from invert_jax.reports.html import rendering


@pytest.mark.parametrize(
    ("folder", "names", "suffix"),
    [("script", rendering.SCRIPTS, ".js"), ("style", rendering.STYLES, ".css")],
)
def test_every_script_and_style_is_in_the_page(folder, names, suffix):
    there = resources.files(rendering.PACKAGE).joinpath("templates", folder).iterdir()
    assert sorted(f"{name}{suffix}" for name in names) == sorted(f.name for f in there)
