"""Files written for tests, and what may be wrong in them."""

import json
from typing import Any

ODD_VALUES: list[Any] = [
    None, True, False, -1, 0, 1, 2**31, 2**63, 2**80, 0.5, 1e308, float("nan"),
    float("inf"), "", " ", "a", "\ud800", "\0", [], [1], [[]], [[1, 0]], ["a", "a"],
    {}, {"id": 1}, {"a": []}, [None], [{}], [True], ["a", 1],
]  # fmt: skip


def written(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def spoiled(content, rng):
    """The content with an odd value in the place of one of its parts."""
    if not isinstance(content, dict | list) or not content or rng.random() < 0.15:
        return ODD_VALUES[rng.integers(len(ODD_VALUES))]
    if isinstance(content, list):
        place = int(rng.integers(len(content)))
        changed = spoiled(content[place], rng)
        return [*content[:place], changed, *content[place + 1 :]]
    key = list(content)[rng.integers(len(content))]
    if rng.random() < 0.1:
        return {name: part for name, part in content.items() if name != key}
    return content | {key: spoiled(content[key], rng)}
