"""What stands in a written page, as its script reads it."""

import base64
import json
import re

import numpy as np


def data_of(path, name):
    """One of the data blocks of the page."""
    pattern = rf'<script type="application/json" id="{name}">(.*?)</script>'
    found = re.search(pattern, path.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None, name
    return json.loads(found[1])


def unpacked(value):
    """An array, as `packed` wrote it."""
    kinds: dict[str, type[np.generic]] = {
        "u1": np.uint8,
        "u2": np.uint16,
        "i4": np.int32,
        "f4": np.float32,
        "f8": np.float64,
    }
    numbers = np.frombuffer(base64.b64decode(value["data"]), kinds[value["type"]])
    return numbers.reshape(value["shape"])
