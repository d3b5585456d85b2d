"""Input 1: what is true of each sample.

`Concepts` is the table; the rest makes one: `from_file` from a file, `from_tfds` from a
TFDS data set, `imagenet` from the labels of ImageNet, and `with_hypernyms` from another
table, by adding what WordNet says its names are.
"""

import importlib
from typing import TYPE_CHECKING

from invert_jax.concepts.table import Concepts as Concepts

if TYPE_CHECKING:
    from invert_jax.concepts.files import from_file as from_file
    from invert_jax.concepts.synset_names import match_synsets as match_synsets
    from invert_jax.concepts.synsets import find_synsets as find_synsets
    from invert_jax.concepts.synsets import hypernym_closure as hypernym_closure
    from invert_jax.concepts.synsets import synset as synset
    from invert_jax.concepts.tfds import from_tfds as from_tfds
    from invert_jax.concepts.tfds import tfds_batches as tfds_batches
    from invert_jax.concepts.wordnet import imagenet as imagenet
    from invert_jax.concepts.wordnet import (
        imagenet_validation_labels as imagenet_validation_labels,
    )
    from invert_jax.concepts.wordnet import with_hypernyms as with_hypernyms

_HOMES = {
    "from_file": "files",
    "from_tfds": "tfds",
    "tfds_batches": "tfds",
    "imagenet": "wordnet",
    "imagenet_validation_labels": "wordnet",
    "match_synsets": "synset_names",
    "synset": "synsets",
    "find_synsets": "synsets",
    "hypernym_closure": "synsets",
    "with_hypernyms": "wordnet",
}


def __getattr__(name: str) -> object:
    """Import what is behind a public name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    globals()[name] = getattr(home, name)
    return globals()[name]


def __dir__() -> list[str]:
    return sorted(globals().keys() | _HOMES.keys())
