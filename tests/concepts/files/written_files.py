"""Files written for tests."""

import json


def written(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path
