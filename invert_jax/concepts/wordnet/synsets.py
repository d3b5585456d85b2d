"""The nouns of WordNet 3.0: 82,115 synsets, their lemmas and what they are kinds of.

A synset is one meaning, and its lemmas are the words for it. Its *wnid* is "n" and its
eight-digit number in WordNet 3.0, the id that ImageNet uses. The table is read on first
use. `hypernyms` are what a synset is a kind of or, for names such as Paris, an instance
of; a synset may have several, and all but `entity` have one.
"""

import functools
import gzip
import re
from collections import defaultdict
from collections.abc import Iterator
from importlib import resources
from typing import NamedTuple

_FILE = "wordnet_nouns.txt.gz"
_WNID = re.compile(r"n\d{8}")
_SENSE = re.compile(r"(.+)\.n\.(\d{1,3})")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
# WordNet's own rules for the plurals of nouns (morphy).
_ENDINGS = {
    "s": "",
    "ses": "s",
    "xes": "x",
    "zes": "z",
    "ches": "ch",
    "shes": "sh",
    "men": "man",
    "ies": "y",
}


class Synset(NamedTuple):
    """One meaning of a noun.

    Attributes:
        wnid: Its id, "n" and eight digits.
        lemmas: The words for it, the usual one first.
        hypernyms: wnids of what it is directly a kind or an instance of.

    >>> synset("n02084071").lemmas
    ('dog', 'domestic dog', 'Canis familiaris')
    """

    wnid: str
    lemmas: tuple[str, ...]
    hypernyms: tuple[str, ...]

    @property
    def name(self) -> str:
        """The first lemma as one word, as concepts are named: `great_white_shark`."""
        return self.lemmas[0].replace(" ", "_")

    @property
    def description(self) -> str:
        """The wnid and all lemmas, as concepts are described."""
        return f"{self.wnid}: {', '.join(self.lemmas)}"


class _Nouns(NamedTuple):
    """The file: lemmas and hypernyms of each wnid as written there, and plurals."""

    fields: dict[str, tuple[str, str]]
    singulars: dict[str, str]


def synset(wnid: str) -> Synset:
    """The synset of an id.

    >>> synset("n02342885").name, synset("n02342885").hypernyms
    ('hamster', ('n02329401',))
    """
    if wnid not in _nouns().fields:
        raise ValueError(
            '`wnid` must be the id of a noun in WordNet 3.0, "n" and eight digits; got '
            f"{wnid!r}; `find_synsets` looks up words."
        )
    lemmas, hypernyms = _nouns().fields[wnid]
    words = (lemma.partition("%")[0].replace("_", " ") for lemma in lemmas.split())
    return Synset(wnid, tuple(words), tuple(hypernyms.split()))


def hypernym_closure(wnid: str) -> tuple[str, ...]:
    """All that a synset is a kind of, by any path: each wnid once, nearest first.

    >>> [synset(wnid).name for wnid in hypernym_closure("n02084071")][:4]
    ['canine', 'domestic_animal', 'carnivore', 'animal']
    """
    closure: dict[str, None] = {}
    level = synset(wnid).hypernyms
    while level:
        closure.update(dict.fromkeys(level))
        above = [up for down in level for up in synset(down).hypernyms]
        level = tuple(up for up in dict.fromkeys(above) if up not in closure)
    return tuple(closure)


@functools.cache
def depth(wnid: str) -> int:
    """Length of the longest path from `entity`; a hypernym is always less deep.

    >>> depth("n00001740"), depth("n02084071")
    (0, 13)
    """
    return max((1 + depth(up) for up in synset(wnid).hypernyms), default=0)


def find_synsets(word: str) -> tuple[Synset, ...]:
    """The senses of a noun, the most common first; none if it is not in WordNet.

    Case, plurals, and the choice of blank, underscore, hyphen or capital between words
    do not matter. Words parted by commas are lemmas of one synset, if there is such a
    one. A wnid and a sense as `crane.n.04` stand for themselves.

    >>> [sense.wnid for sense in find_synsets("Polar_Bears")]
    ['n02134084']
    >>> [sense.lemmas[0] for sense in find_synsets("mice")][:2]
    ['mouse', 'shiner']
    >>> find_synsets("crane.n.05") == find_synsets("n02012849")
    True
    """
    if _WNID.fullmatch(word) and word in _nouns().fields:
        return (synset(word),)
    if numbered := _SENSE.fullmatch(word):
        position = int(numbered[2])
        wnids = _senses_of(numbered[1])[position - 1 : position]
        return tuple(synset(wnid) for wnid in wnids)
    senses = [found for part in word.split(",") if (found := _senses_of(part))]
    shared = [w for w in senses[0] if all(w in of for of in senses)] if senses else []
    return tuple(synset(wnid) for wnid in shared or (senses[0] if senses else ()))


def _senses_of(word: str) -> tuple[str, ...]:
    """The senses of one word as it is, else of its singular."""
    spellings = tuple(dict.fromkeys(_spellings(word)))
    singulars = [one for spelling in spellings for one in _singulars_of(spelling)]
    senses = _senses()
    known = (form for form in (*spellings, *singulars) if form in senses)
    return senses.get(next(known, ""), ())


def _spellings(word: str) -> Iterator[str]:
    """Ways in which WordNet may write the word.

    >>> list(dict.fromkeys(_spellings("T shirt")))
    ['t_shirt', 'tshirt', 't-shirt']
    """
    for text in (word, _CAMEL.sub("_", word)):
        plain = re.sub(r"[\s_]+", "_", text.strip(" \t\n_").lower())
        yield plain
        yield plain.replace("-", "_")
        yield re.sub("[-_]", "", plain)
        yield plain.replace("_", "-")


def _singulars_of(plural: str) -> Iterator[str]:
    """What a word may be the plural of: irregular ones first, then by ending."""
    yield from _nouns().singulars.get(plural, "").split()
    if len(plural) > 2 and not plural.endswith("ss"):
        for ending, singular in _ENDINGS.items():
            if plural.endswith(ending):
                yield plural.removesuffix(ending) + singular


@functools.cache
def _nouns() -> _Nouns:
    packed = resources.files("invert_jax.concepts.wordnet").joinpath(_FILE).read_bytes()
    text = gzip.decompress(packed).decode("ascii").rstrip("\n")
    _, synsets, plurals = text.split("\n\n")
    lines = (line.split("\t") for line in synsets.split("\n"))
    fields = {wnid: (lemmas, hypernyms) for wnid, lemmas, hypernyms in lines}
    return _Nouns(fields, dict(line.split("\t") for line in plurals.split("\n")))


@functools.cache
def _senses() -> dict[str, tuple[str, ...]]:
    """The wnids of each lemma in lower case, in the order of its senses."""
    numbered: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for wnid, (lemmas, _) in _nouns().fields.items():
        for lemma in lemmas.lower().split():
            word, _, number = lemma.partition("%")
            numbered[word][wnid] = int(number or 1)
    return {
        word: tuple(sorted(senses, key=senses.__getitem__))
        for word, senses in numbered.items()
    }
