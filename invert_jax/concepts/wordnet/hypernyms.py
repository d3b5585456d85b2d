"""Concepts from WordNet: ImageNet's vocabulary, and the hypernyms of any table.

A hypernym is true of a sample if any concept under it is, by any path through WordNet
(a boolean OR). Only hypernyms that cover more than one concept are added. They come
after the concepts, the deepest first, so that of columns that are equal on the data the
most specific one stands first and gives the name. Each is named by its first lemma
(`sea_snake`), with its wnid appended if another concept has that name
(`crane_n02012849`), and described by its wnid and all lemmas.
"""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool

from invert_jax.concepts.table import Concepts
from invert_jax.concepts.table_checks import checked_names
from invert_jax.concepts.wordnet.matching import (
    Synsets,
    feature_of,
    match_synsets,
    warn_of_doubts,
)
from invert_jax.concepts.wordnet.synsets import depth, hypernym_closure, synset


def with_hypernyms(concepts: Concepts, synsets: Synsets | None = None) -> Concepts:
    """The table, and the WordNet hypernyms that cover more than one of its concepts.

    The synset of a concept is, in this order: what `synsets` gives for its name (a
    wnid, a noun, or None for no synset); the wnid in its name or at the head of its
    description; the first sense of its name as a noun, without a prefix such as
    `label=` or `objects/`; classes of COCO and CIFAR mean what they do there. A warning
    lists the names that have several senses, those first that change most of the table,
    and those that are no noun (these get no hypernyms); `match_synsets` shows all of
    them. Concepts without description get their synset's. What is there already is not
    added again.

    Hypernyms join what one feature says. Of several features, such as `shape=` and
    `texture=`, each has its own, named after it: `shape=animal`.

    Raises:
        ValueError: No name at all is a noun, or `synsets` has an unknown name or noun.

    >>> names = ["label=deer", "label=horse", "label=ship"]
    >>> table = Concepts.from_labels([0, 1, 2], names)
    >>> table = with_hypernyms(table, {"label=horse": "n02374451"})
    >>> table.names[:5]
    ('label=deer', 'label=horse', 'label=ship', 'ungulate', 'placental')
    >>> table.masks(["ungulate"]).ravel().tolist()
    [True, True, False]
    """
    matches = match_synsets(concepts.names, synsets, descriptions=concepts.descriptions)
    counts = dict(zip(concepts.names, concepts.num_positives.tolist(), strict=True))
    warn_of_doubts(matches, counts, stacklevel=3)
    wnids = tuple(matches.synsets[name] for name in concepts.names)
    covering = _covering(concepts.names, wnids)
    unions = unions_of(concepts.rows, list(covering.values()))
    is_new = _is_new(concepts.rows, unions, wnids, covering)
    hypernyms = [each for each, new in zip(covering, is_new, strict=True) if new]
    return dataclasses.replace(
        concepts,
        names=checked_names(concepts.names + _names_of(hypernyms, concepts.names)),
        rows=columns_beside(concepts.rows, unions[:, is_new]),
        descriptions=_descriptions(concepts, wnids, [wnid for _, wnid in hypernyms]),
    )


def _covering(
    names: Sequence[str], wnids: Sequence[str | None]
) -> dict[tuple[str, str], list[int]]:
    """The columns under each hypernym of each feature, if they are several.

    The feature is "" if there is only one that has nouns.
    """
    features = list(map(feature_of, names))
    with_nouns = [f for f, wnid in zip(features, wnids, strict=True) if wnid]
    several = len(set(with_nouns) - {""}) > 1
    if not several:  # names without a feature, such as hypernyms, go with the only one
        features, with_nouns = [""] * len(names), [""]
    covering = {}
    for feature in dict.fromkeys(with_nouns):
        pairs = zip(features, wnids, strict=True)
        of_feature = [wnid if each == feature else None for each, wnid in pairs]
        for wnid, columns in columns_under(of_feature).items():
            if len(columns) > 1:
                covering[feature if several else "", wnid] = columns
    return covering


def _names_of(
    hypernyms: Sequence[tuple[str, str]], taken: Sequence[str]
) -> tuple[str, ...]:
    """The first lemma of each after its feature; the wnid too where that is taken."""
    by_feature: dict[str, list[str]] = {}
    for feature, wnid in hypernyms:
        by_feature.setdefault(feature, []).append(wnid)
    named = {}
    for feature, wnids in by_feature.items():
        heads = [
            name.removeprefix(feature) for name in taken if name.startswith(feature)
        ]
        for wnid, name in zip(wnids, unique_names(wnids, heads), strict=True):
            named[feature, wnid] = feature + name
    return tuple(named[each] for each in hypernyms)


def columns_under(wnids: Sequence[str | None]) -> dict[str, list[int]]:
    """For each synset the columns that are it or under it; the deepest synset first."""
    columns = defaultdict(list)
    for column, wnid in enumerate(wnids):
        for above in (wnid, *hypernym_closure(wnid)) if wnid else ():
            columns[above].append(column)
    in_order = sorted(columns, key=lambda wnid: (-depth(wnid), wnid))
    return {wnid: columns[wnid] for wnid in in_order}


def unions_of(rows: sp.csr_array, groups: Sequence[list[int]]) -> sp.csr_array:
    """For each row and group whether any column of the group is true."""
    columns = np.fromiter(chain.from_iterable(groups), np.int32)
    group = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    members = sp.csr_array(
        (np.ones(len(columns), np.int32), (columns, group.astype(np.int32))),
        shape=(rows.shape[1], len(groups)),
    )
    return (rows.astype(np.int32) @ members).astype(bool)


def _is_new(
    rows: sp.csr_array,
    unions: sp.csr_array,
    wnids: Sequence[str | None],
    covering: dict[tuple[str, str], list[int]],
) -> Bool[np.ndarray, " hypernyms"]:
    """Which unions are more than a column of the same synset that is there already."""
    # A column is part of the union over it, so they are equal if their sizes are.
    of_column = np.bincount(rows.indices, minlength=rows.shape[1])
    of_union = np.bincount(unions.indices, minlength=unions.shape[1])
    return np.array(
        [
            all(wnids[c] != wnid or of_column[c] != num_true for c in columns)
            for ((_, wnid), columns), num_true in zip(
                covering.items(), of_union, strict=True
            )
        ],
        bool,
    )


def columns_beside(rows: sp.csr_array, unions: sp.csr_array) -> sp.csr_array:
    """The columns of both; rows that differ stay different."""
    extended = sp.csr_array(sp.hstack([rows, unions], format="csr"))
    extended.sort_indices()
    return extended


def unique_names(wnids: Sequence[str], taken: Iterable[str] = ()) -> tuple[str, ...]:
    """The first lemma of each, and the wnid where that is taken or not unique."""
    names = [synset(wnid).name for wnid in wnids]
    uses = Counter(names) + Counter(taken)
    return tuple(
        name if uses[name] == 1 else f"{name}_{wnid}"
        for name, wnid in zip(names, wnids, strict=True)
    )


def _descriptions(
    concepts: Concepts, wnids: Sequence[str | None], hypernyms: Iterable[str]
) -> tuple[str, ...]:
    """Those that are there, and the synset's where there is none."""
    given = concepts.descriptions or [""] * concepts.num_concepts
    of_concepts = [
        text or (synset(wnid).description if wnid else "")
        for text, wnid in zip(given, wnids, strict=True)
    ]
    return (*of_concepts, *(synset(wnid).description for wnid in hypernyms))
