"""Input 1: what is true of each sample.

`Concepts` is the table; the rest makes one: `from_file` from a file, `from_tfds` from a
TFDS data set, `imagenet` from the labels of ImageNet, and `with_hypernyms` from another
table, by adding what WordNet says its names are.
"""

import importlib
from typing import TYPE_CHECKING

from invert_jax.concepts.table import Concepts as Concepts

if TYPE_CHECKING:
    from invert_jax.concepts.files.reading import from_file as from_file
    from invert_jax.concepts.tfds.gathering import from_tfds as from_tfds
    from invert_jax.concepts.wordnet.hypernyms import with_hypernyms as with_hypernyms
    from invert_jax.concepts.wordnet.imagenet_classes import imagenet as imagenet
    from invert_jax.concepts.wordnet.imagenet_classes import (
        imagenet_validation_labels as imagenet_validation_labels,
    )
    from invert_jax.concepts.wordnet.matching import match_synsets as match_synsets
    from invert_jax.concepts.wordnet.synsets import find_synsets as find_synsets
    from invert_jax.concepts.wordnet.synsets import hypernym_closure as hypernym_closure
    from invert_jax.concepts.wordnet.synsets import synset as synset
    from invert_jax.datasets.tfds.inputs import tfds_batches as tfds_batches

_HOMES = {
    "from_file": "concepts.files.reading",
    "from_tfds": "concepts.tfds.gathering",
    "tfds_batches": "datasets.tfds.inputs",
    "imagenet": "concepts.wordnet.imagenet_classes",
    "imagenet_validation_labels": "concepts.wordnet.imagenet_classes",
    "match_synsets": "concepts.wordnet.matching",
    "synset": "concepts.wordnet.synsets",
    "find_synsets": "concepts.wordnet.synsets",
    "hypernym_closure": "concepts.wordnet.synsets",
    "with_hypernyms": "concepts.wordnet.hypernyms",
}


def __getattr__(name: str) -> object:
    """Import what is behind a public name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = importlib.import_module(f"invert_jax.{_HOMES[name]}")
    globals()[name] = getattr(home, name)
    return globals()[name]


def __dir__() -> list[str]:
    return sorted(globals().keys() | _HOMES.keys())
