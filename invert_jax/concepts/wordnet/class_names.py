"""The classes of common data sets: which synset each name stands for there.

The first sense of a name in WordNet is often another thing than the pictures show: a
mouse of COCO is no rodent, its hot dog no person.
"""

from collections.abc import Collection
from functools import cache
from pathlib import Path

_PATH = Path(__file__).with_name("class_names.txt")


def known_synsets(names: Collection[str]) -> dict[str, str]:
    """The wnids of the names that are classes of the data set that they are of.

    Args:
        names: All class names of one feature.

    Returns:
        Nothing where no data set has more than half of the names, and they more than
        half of its classes: a few nouns alone are of no data set.

    >>> cifar10 = "airplane automobile bird cat deer dog frog horse ship truck".split()
    >>> known_synsets(cifar10)["truck"]
    'n04490091'
    >>> known_synsets(["mouse", "cat", "dog"])
    {}
    """
    plain = {name: name.lower().replace("_", " ") for name in names}
    best: dict[str, str] = {}
    for classes in _data_sets():
        found = {name: classes[text] for name, text in plain.items() if text in classes}
        if 2 * len(found) > max(len(classes), len(plain)) and len(found) > len(best):
            best = found
    return best


@cache
def _data_sets() -> tuple[dict[str, str], ...]:
    """Of each data set the wnids of its classes, by name."""
    data_sets: list[dict[str, str]] = []
    for line in _PATH.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            data_sets.append({})
        elif not line.startswith("#"):
            name, wnid = line.split("\t")
            data_sets[-1][name] = wnid
    return tuple(data_sets)
