import json

import numpy as np
import pytest

from invert_jax.reports.html.encoding import packed, script_json
from tests.reports.pages_read import unpacked
from tests.reports.small_pages import NAMES


def test_what_is_packed_comes_back():
    for code, top in (("u1", 255), ("u2", 65535), ("i4", -(2**31)), ("f4", np.nan)):
        values = np.array([[0, 1, 2], [3, 4, top]])
        np.testing.assert_array_equal(unpacked(packed(values, code)), values)
    with pytest.raises(ValueError, match="`code` must be one of u1"):
        packed(np.zeros(1), "f2")


@pytest.mark.parametrize("text", [*NAMES, "a\u2028b", "<!--", "\ud800", "]]>", "&lt;"])
def test_no_text_can_leave_its_script_element(text):
    written = script_json({"name": text})
    assert not set("<>&\u2028\u2029") & set(written)
    written.encode("utf-8")
    expected = text.encode("utf-8", "replace").decode()
    assert json.loads(written) == {"name": expected}
