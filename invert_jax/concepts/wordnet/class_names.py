"""The classes of common data sets: which synset each name stands for there.

The first sense of a name in WordNet is often another thing than the pictures show: a
mouse of COCO is no rodent, its hot dog no person.
"""

from collections.abc import Collection
from functools import cache
from pathlib import Path

_PATH = Path(__file__).with_name("class_names.txt")
# A data set is recognized by so many of its classes, and more than half of all.
FEWEST = 3


def known_synsets(names: Collection[str]) -> dict[str, str]:
    """The wnids of the names that are classes of the data set that they are of.

    Args:
        names: All class names of one feature.

    Returns:
        Nothing where no data set has more than half of the names.

    >>> known_synsets(["mouse", "keyboard", "laptop"])["mouse"]  # as in COCO
    'n03793489'
    >>> known_synsets(["mouse", "shrew", "rabbit", "hamster"])["mouse"]  # CIFAR-100
    'n02330245'
    >>> known_synsets(["mouse", "cheese"])
    {}
    """
    plain = {name: name.lower().replace("_", " ") for name in names}
    found = [
        {name: classes[text] for name, text in plain.items() if text in classes}
        for classes in _data_sets()
    ]
    most = max(map(len, found))
    if most < FEWEST or 2 * most <= len(plain):
        return {}
    first, *others = (each for each in found if len(each) == most)
    return {
        name: wnid
        for name, wnid in first.items()
        if all(other.get(name) == wnid for other in others)
    }


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
