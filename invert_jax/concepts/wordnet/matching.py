"""From the names of concepts to synsets of WordNet."""

import re
import warnings
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple

from invert_jax.checks import listed
from invert_jax.concepts.wordnet.class_names import known_synsets
from invert_jax.concepts.wordnet.synsets import (
    Synset,
    find_synsets,
    hypernym_closure,
    synset,
)

Synsets = Mapping[str, str | None]

_WNID_INSIDE = re.compile(r"(?<![A-Za-z0-9])n\d{8}(?![A-Za-z0-9])")
_WNID_AHEAD = re.compile(r"n\d{8}(?![A-Za-z0-9])")
_NUM_LISTED = 20


class SynsetMatches(NamedTuple):
    """What names mean, and where that is in doubt.

    Attributes:
        synsets: wnid of each name, or None.
        ambiguous: For each name that was taken in the first of several senses, the
            wnids of all.
        unknown: The names that are no noun in WordNet.
    """

    synsets: dict[str, str | None]
    ambiguous: dict[str, tuple[str, ...]]
    unknown: tuple[str, ...]


def match_synsets(
    names: Iterable[str],
    synsets: Synsets | None = None,
    *,
    descriptions: Iterable[str] | None = None,
) -> SynsetMatches:
    """The synset that each name stands for, as `with_hypernyms` takes it.

    Classes of COCO and CIFAR mean what they do there, if they are most of a feature's.

    Args:
        names: Names of concepts.
        synsets: For some names a wnid, a noun, or None for no synset.
        descriptions: A text for each name, which may begin with a wnid.

    >>> matches = match_synsets(["label=frog", "label=ships", "label=37"])
    >>> matches.synsets
    {'label=frog': 'n01639765', 'label=ships': 'n04194289', 'label=37': None}
    >>> matches.ambiguous
    {'label=frog': ('n01639765', 'n09708648', 'n03398382')}
    >>> matches.unknown
    ('label=37',)
    """
    names = tuple(names)
    texts = tuple(descriptions) if descriptions is not None else ("",) * len(names)
    if len(texts) != len(names):
        raise ValueError(
            "`descriptions` must have one text for each of the "
            f"{len(names)} names; got {len(texts)}."
        )
    chosen = _chosen({} if synsets is None else synsets, names)
    known = _known_synsets(names)
    senses = {
        name: _senses_of_name(name, text, known.get(name))
        for name, text in zip(names, texts, strict=True)
        if name not in chosen
    }
    first = {name: found[0].wnid if found else None for name, found in senses.items()}
    return SynsetMatches(
        {name: (chosen if name in chosen else first)[name] for name in names},
        {n: tuple(s.wnid for s in found) for n, found in senses.items() if found[1:]},
        tuple(name for name, found in senses.items() if not found),
    )


def warn_of_doubts(
    matches: SynsetMatches, num_positives: Mapping[str, int], *, stacklevel: int
) -> None:
    """Warn of ambiguous and unknown names; raise if no name has a synset.

    Args:
        matches: What the names were taken for.
        num_positives: Samples of each name: another sense of it puts as many elsewhere.
        stacklevel: Where the warning points, as `warnings.warn` takes it.
    """
    cure = "`synsets={name: wnid, noun or None}` says what is meant"
    if matches.unknown and not any(matches.synsets.values()):
        raise ValueError(
            "`concepts` must have names that are nouns in WordNet; found none among "
            f"{listed(matches.unknown, _NUM_LISTED)}; {cure}."
        )
    parts = []
    if matches.ambiguous:
        parts.append(
            f"took the first sense of {len(matches.ambiguous)} ambiguous names: "
            + _listed_senses(matches.ambiguous, num_positives)
        )
    if matches.unknown:
        parts.append(
            f"found no noun for {len(matches.unknown)} names, which get no hypernyms: "
            + listed(matches.unknown, _NUM_LISTED)
        )
    if parts:
        warnings.warn(
            f"`with_hypernyms` {'; '.join(parts)}. {cure}, and "
            "`match_synsets(concepts.names)` lists all.",
            stacklevel=stacklevel,
        )


def _listed_senses(
    ambiguous: Mapping[str, tuple[str, ...]], num_positives: Mapping[str, int]
) -> str:
    """The sense that was taken of each name, those that change most of the table first.

    Another sense changes, for every sample of the name, the hypernyms that only one of
    the two has.
    """
    changed = {
        name: num_positives[name] * _most_different(senses)
        for name, senses in ambiguous.items()
    }
    by_change = sorted(ambiguous.items(), key=lambda item: -changed[item[0]])
    shown = [
        f"{name!r} as {wnid} ({', '.join(synset(wnid).lemmas[:3])}; "
        f"1 of {1 + len(others)}; {num_positives[name]} samples)"
        for name, (wnid, *others) in by_change[:_NUM_LISTED]
    ]
    more = len(ambiguous) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _most_different(senses: tuple[str, ...]) -> int:
    """Hypernyms that the first sense and another do not share, at most."""
    first, *others = (set(hypernym_closure(wnid)) for wnid in senses)
    return max(len(first ^ other) for other in others)


def feature_of(name: str) -> str:
    """What of a name says which feature it is of, up to its class; "" for none.

    A slash alone may be part of a class, as in `/a/airfield`. COCO's supercategories
    are of the feature of its categories.

    >>> feature_of("objects/label=dog"), feature_of("attributes/Male"), feature_of("x")
    ('objects/label=', '', '')
    """
    head, equals, _ = name.rpartition("=")
    return "" if head == "supercategory" else head + equals


def _known_synsets(names: tuple[str, ...]) -> dict[str, str]:
    """The wnids of the names that are classes of a data set that is known."""
    classes: dict[str, dict[str, str]] = {}
    for name in names:
        if name.startswith("supercategory="):
            continue
        classes.setdefault(feature_of(name), {})[_parts(name)[-1]] = name
    return {
        of_feature[class_name]: wnid
        for of_feature in classes.values()
        for class_name, wnid in known_synsets(of_feature).items()
    }


def _parts(name: str) -> tuple[str, ...]:
    """What of a name may be a noun: all of it, or what follows its prefix.

    A slash is part of a class, as in `label=N/A`; it parts features from each other.

    >>> _parts("label=bird/aeroplane"), _parts("attributes/Male")
    (('label=bird/aeroplane', 'bird/aeroplane'), ('attributes/Male', 'Male'))
    """
    _, equals, class_name = name.rpartition("=")
    return (name, class_name if equals else name.rpartition("/")[2])


def _chosen(synsets: Any, names: tuple[str, ...]) -> dict[str, str | None]:
    """The wnids that the user chose; a name or noun that does not exist is an error."""
    if not isinstance(synsets, Mapping):
        raise TypeError(
            "`synsets` must be a mapping, such as {'label=crane': 'n02012849'}; got a "
            f"{type(synsets).__name__}."
        )
    unknown = sorted(synsets.keys() - set(names), key=str)
    if unknown:
        alike = get_close_matches(str(unknown[0]), names, n=3) or names
        raise ValueError(
            f"`synsets` must map names of the concepts; got {listed(unknown)}; names "
            f"are {listed(alike)}."
        )
    return {name: _chosen_wnid(name, choice) for name, choice in synsets.items()}


def _chosen_wnid(name: str, choice: str | None) -> str | None:
    if choice is None:
        return None
    if not isinstance(choice, str):
        raise TypeError(
            "`synsets` must map names to a wnid, a noun or None; got "
            f"{choice!r} for {name!r}."
        )
    senses = find_synsets(choice)
    if not senses:
        raise ValueError(
            f"`synsets` must map names to nouns in WordNet 3.0; got {choice!r} for "
            f"{name!r}; `find_synsets` looks up words, None means no synset."
        )
    return senses[0].wnid


def _senses_of_name(
    name: str, description: str, known: str | None
) -> tuple[Synset, ...]:
    """The senses of a name: of the wnid with it, or of the noun it holds."""
    wnid = _WNID_INSIDE.search(name) or _WNID_AHEAD.match(description)
    if wnid and (senses := find_synsets(wnid[0])):
        return senses
    if known is not None:
        return (synset(known),)
    for part in _parts(name):
        # WordNet has digits as nouns, but a name without letters is a mere index.
        if re.search(r"[^\W\d_]", part) and (senses := find_synsets(part)):
            return senses
    return ()
