"""Files written for tests, and the ids that come back."""

import json


def ids_of(concepts):
    assert concepts.ids is not None
    return concepts.ids


def written(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path
