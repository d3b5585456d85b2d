"""The page as a file: what it holds, what it refuses. In a browser: see html."""

import base64
import io
import re
import sys

import numpy as np
import pytest
from PIL import Image

from invert_jax.reports.page import report
from tests.reports.pages_read import data_of, unpacked
from tests.reports.small_pages import NAMES, make_page


def test_names_stand_in_the_page_as_data_only(full_page):
    text = full_page.read_text(encoding="utf-8")
    for name in NAMES:
        assert not set('<"') & set(name) or name not in text
    assert "<i>0" not in text and "block<1>" not in text
    assert "Names as &lt;data&gt;" in text
    names = [each["name"] for each in data_of(full_page, "layer-data-0")["concepts"]]
    assert set(names) <= set(NAMES)


def test_the_page_names_no_address_but_its_own_data(full_page):
    text = full_page.read_text(encoding="utf-8")
    addresses = set(re.findall(r"https?://[^\s\"'<]*", text))
    assert addresses == {"http://www.w3.org/2000/svg"}
    assert re.findall(r"(?:src|href)=\"([^\"]*)\"", text) == ["data:,", "#units"]


def test_each_image_is_embedded_once_and_within_the_budget(run, tmp_path):
    path = make_page(run, tmp_path / "page.html", image_budget=20_000)
    urls = data_of(path, "images-0")
    assert len(urls) == len(set(urls)) > 10
    assert sum(map(len, urls)) <= 20_000
    assert "did not fit into the page" in path.read_text(encoding="utf-8")
    samples = unpacked(data_of(path, "page-data")["images"])
    top = unpacked(data_of(path, "layer-data-0")["behavior"]["top"])
    best = np.nanargmax(np.abs(2 * run.explanations.scores[:, 0] - 1))
    assert set(top[best]) <= set(samples), "the best unit comes first"


def test_maps_are_those_of_the_best_units_that_fit_the_budget(run, tmp_path):
    whole = data_of(make_page(run, tmp_path / "a.html"), "layer-data-0")["maps"]
    path = make_page(run, tmp_path / "b.html", image_budget=12_500)
    maps = data_of(path, "layer-data-0")["maps"]

    assert len(unpacked(whole["units"])) == 7  # one unit is constant
    merits = np.nan_to_num(np.abs(2 * run.explanations.scores[:, 0] - 1))
    assert set(unpacked(maps["units"])) == set(np.argsort(-merits)[:3])
    assert unpacked(maps["values"]).shape == (3, 12, 4, 4)


def test_maps_lie_over_what_the_model_saw_of_photos(run, tmp_path):
    # A wide photo, red but for its middle; the maps are square.
    wide = np.full((40, 120, 3), (255, 0, 0), np.uint8)
    wide[:, 40:80] = (0, 0, 255)
    for name in np.asarray(run.concepts.ids).tolist():
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(wide).save(path)
    changed = run._replace(images=tmp_path / "photos")
    with pytest.raises(
        ValueError, match=r'over photos in files need `crop`. .*"center"'
    ):
        make_page(changed, tmp_path / "page.html")
    page = make_page(changed, tmp_path / "page.html", crop="center")
    encoded = data_of(page, "images-0")[0].split(",")[1]
    shown = Image.open(io.BytesIO(base64.b64decode(encoded)))
    assert shown.size == (40, 40)
    assert (np.asarray(shown) == (0, 0, 255)).all()


def test_maps_over_arrays_of_another_shape_are_refused(run, tmp_path):
    wide = run._replace(images=np.zeros((160, 8, 16), np.uint8))
    with pytest.raises(
        ValueError, match=r"4 x 4 must be of images .* got 8 x 16 pixels"
    ):
        make_page(wide, tmp_path / "page.html")
    assert make_page(wide, tmp_path / "page.html", crop="stretch").is_file()


def test_a_crop_without_maps_is_refused(run, tmp_path):
    with pytest.raises(ValueError, match="`crop` says where `maps` lie"):
        report(
            run.explanations, tmp_path / "page.html", activations=run.activations,
            images=run.images, crop="center",
        )  # fmt: skip


def test_the_same_input_gives_the_same_page(run, full_page, tmp_path):
    again = make_page(run, tmp_path / "page.html")
    assert again.read_bytes() == full_page.read_bytes()


def test_nothing_is_left_of_a_page_that_could_not_be_written(run, tmp_path):
    (tmp_path / "page.html").write_text("old")
    with pytest.raises(ValueError, match="`images` must have an image"):
        report(
            run.explanations, tmp_path / "page.html", activations=run.activations,
            concepts=run.concepts, images={},
        )  # fmt: skip
    assert [each.name for each in tmp_path.iterdir()] == ["page.html"]
    assert (tmp_path / "page.html").read_text() == "old"


def test_a_folder_is_no_place_for_a_page(run, tmp_path):
    with pytest.raises(ValueError, match="`path` must be a file"):
        report(run.explanations, tmp_path)


@pytest.mark.parametrize(
    ("budget", "error"), [(-1, ValueError), ("30 MB", TypeError), (True, TypeError)]
)
def test_a_budget_must_be_a_number_of_bytes(run, tmp_path, budget, error):
    with pytest.raises(error):
        report(run.explanations, tmp_path / "page.html", image_budget=budget)


def test_jinja2_missing_is_said_with_its_extra(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ImportError, match=r"pip install 'invert_jax\[report\]'"):
        report(run.explanations, "page.html")
