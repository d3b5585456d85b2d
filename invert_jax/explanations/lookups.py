"""Looking things up in explanations: the neurons for a concept, what is not covered."""

import functools
import itertools
from collections.abc import Iterable
from difflib import get_close_matches
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from invert_jax.checks import check_fraction
from invert_jax.concepts.table import Concepts
from invert_jax.concepts.wordnet.imagenet_classes import imagenet
from invert_jax.concepts.wordnet.matching import match_synsets
from invert_jax.concepts.wordnet.synsets import find_synsets, hypernym_closure
from invert_jax.explanations.record import LABELED, Record
from invert_jax.formula.formula import Formula

# Truth tables of more names are not written out.
MOST_NAMES = 12
NAMES_SHOWN = 8


class Coverage(NamedTuple):
    """Which concepts the labels of a layer name.

    Attributes:
        names: The concepts that were searched, one of those that hold on the same
            samples.
        num_neurons: Number of labels that name each as it is, not negated.
        best_neuron: Index of the neuron of the best such label; -1 if there is none.
        best_score: Its score; nan if there is none.
    """

    names: tuple[str, ...]
    num_neurons: Int[np.ndarray, " concepts"]
    best_neuron: Int[np.ndarray, " concepts"]
    best_score: Float[np.ndarray, " concepts"]

    def __repr__(self) -> str:
        missing = ", ".join(map(repr, self.undetected[:NAMES_SHOWN]))
        more = len(self.undetected) - NAMES_SHOWN
        return (
            f"Coverage({len(self.detected)} of {len(self.names)} concepts named"
            + (f"; no label names {missing}" if missing else "")
            + (f" and {more:,} more)" if more > 0 else ")")
        )

    @property
    def detected(self) -> tuple[str, ...]:
        """Concepts that some label names."""
        return tuple(itertools.compress(self.names, self.num_neurons > 0))

    @property
    def undetected(self) -> tuple[str, ...]:
        """Concepts that no label names."""
        return tuple(itertools.compress(self.names, self.num_neurons == 0))


def neurons_for(
    explanations: Record,
    wanted: str | Formula,
    *,
    min_score: float | None = None,
    hypernyms: bool | Concepts = False,
) -> Int[np.ndarray, " found"]:
    """Neurons whose label is what is wanted, best score first; see the method."""
    _check_wanted(wanted, hypernyms)
    literals = explanations.literals[:, -1, 0]
    formula = _as_formula(explanations, wanted, hypernyms=hypernyms)
    if isinstance(formula, str):
        columns = _columns_under(explanations, formula, hypernyms)
        uses = np.isin(literals, 2 * np.array(columns, np.int64)).any(-1)
    elif formula.length == 1:
        column = column_of(explanations, formula.names[0])
        is_negated = (len(formula.steps) - 1) % 2
        uses = (literals == 2 * column + is_negated).any(-1)
    else:
        uses = _is_label(explanations, formula)
    found = np.flatnonzero(uses & is_label(explanations, min_score=min_score))
    best = explanations.scores[found, 0]
    best = -best if explanations.settings.sign == "positive" else best
    return explanations.neurons[found[np.argsort(best, kind="stable")]]


def is_label(
    explanations: Record, *, min_score: float | None = None
) -> Bool[np.ndarray, " neurons"]:
    """Which neurons have a label to be used.

    Args:
        explanations: Of a layer.
        min_score: Its least AUROC; for sign "negative" 1 minus the AUROC counts.
    """
    is_used = explanations.status == LABELED
    if min_score is None:
        return is_used
    check_fraction("min_score", min_score)
    scores = explanations.scores[:, 0]
    scores = 1 - scores if explanations.settings.sign == "negative" else scores
    return is_used & (scores >= min_score)


def coverage(explanations: Record, *, min_score: float | None = None) -> Coverage:
    """Which concepts the labels name as they are, and which none does."""
    used = np.flatnonzero(is_label(explanations, min_score=min_score))
    scores = explanations.scores[used, 0]
    order = np.argsort(
        -scores if explanations.settings.sign == "positive" else scores, kind="stable"
    )
    uses = literal_uses(explanations, used[order])[:, 0]
    best = np.full(len(uses), -1)
    # Worst first, so that the best is written last.
    for position in used[order][::-1]:
        literals = explanations.literals[position, -1, 0]
        best[literals[(literals >= 0) & (literals % 2 == 0)] // 2] = position
    searched = searched_columns(explanations)
    best = best[searched]
    return Coverage(
        tuple(explanations.concept_names[column] for column in searched),
        uses[searched],
        # -1 takes what is appended.
        np.append(explanations.neurons, -1)[best],
        np.append(explanations.scores[:, 0], np.nan)[best],
    )


def literal_uses(
    explanations: Record, positions: Int[np.ndarray, " labels"]
) -> Int[np.ndarray, "concepts 2"]:
    """Number of best formulas that name each concept as it is, and negated.

    Args:
        explanations: Of a layer.
        positions: Of the neurons that count.
    """
    literals = explanations.literals[positions, -1, 0]
    # A formula may name a concept twice; that is one label.
    label, place = np.nonzero(literals >= 0)
    pairs = np.unique(np.stack([label, literals[label, place]]), axis=1)
    num_literals = 2 * len(explanations.concept_names)
    return np.bincount(pairs[1], minlength=num_literals).reshape(-1, 2)


def searched_columns(explanations: Record) -> list[int]:
    """Columns of the concepts that stood for themselves in the search."""
    aside = {*explanations.left_out, *itertools.chain(*explanations.synonyms.values())}
    names = enumerate(explanations.concept_names)
    return [column for column, name in names if name not in aside]


def position_of(explanations: Record, neuron: int | np.integer) -> int:
    """The position of a neuron, by its index in the layer.

    An unknown one is an error that says which there are.
    """
    found = np.flatnonzero(explanations.neurons == neuron)
    if not len(explanations):
        raise ValueError(
            f"`neuron` must be one that was explained; got {neuron!r} of none."
        )
    if not len(found):
        first, last = explanations.neurons.min(), explanations.neurons.max()
        raise ValueError(
            f"`neuron` must be one that was explained, {len(explanations)} of {first} "
            f"to {last}; got {neuron!r}."
        )
    return int(found[0])


def column_of(explanations: Record, concept: str) -> int:
    """The column that stands for a concept; an error names those alike."""
    names = explanations.concept_names
    if concept in names:
        return names.index(representative(explanations, concept))
    containing = [name for name in names if concept and concept in name]
    near = (containing or get_close_matches(concept, names, 3))[:3]
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    if find_synsets(concept):
        hint += " hypernyms=True finds labels that name a kind of it."
    raise ValueError(
        f"`concept` must be one of the concepts searched; got {concept!r}.{hint}"
    )


def representative(explanations: Record, concept: str) -> str:
    """The concept of the same samples that was searched."""
    for name, others in explanations.synonyms.items():
        if concept in others:
            return name
    return concept


def are_equivalent(first: Formula, second: Formula) -> bool:
    """Whether two formulas hold together whatever is true; up to 12 names.

    >>> parse = Formula.parse
    >>> are_equivalent(parse("a & ~b & c"), parse("c & ~(b | ~a)"))
    True
    >>> are_equivalent(parse("a | b & c"), parse("(a | b) & c"))
    False
    """
    if first == second:
        return True
    names = tuple(dict.fromkeys(first.names + second.names))
    if len(names) > MOST_NAMES:
        return False
    cases = np.array(list(itertools.product([False, True], repeat=len(names))))
    masks = dict(zip(names, cases.T, strict=True))
    return bool(np.array_equal(first.evaluate(masks), second.evaluate(masks)))


def _check_wanted(wanted: object, hypernyms: object) -> None:
    """Refuse what is neither a concept nor a formula."""
    if not isinstance(wanted, str | Formula):
        raise TypeError(
            "`wanted` must be a concept's name or a Formula; got "
            f"{type(wanted).__name__}."
        )
    if not isinstance(hypernyms, bool | Concepts):
        raise TypeError(
            "`hypernyms` must be True, False or a Concepts table; got "
            f"{type(hypernyms).__name__}."
        )


def _as_formula(
    explanations: Record, wanted: str | Formula, *, hypernyms: bool | Concepts
) -> str | Formula:
    """A concept's name, or a formula of the names that were searched."""
    if isinstance(wanted, str):
        if wanted in explanations.concept_names:
            return wanted
        formula = _parsed(wanted)
        if formula is None or len(formula.steps) == 1:
            return wanted
        wanted = formula
    if hypernyms is not False:
        raise ValueError(
            f"`hypernyms` need one concept; got the formula {str(wanted)!r}."
        )
    if len(wanted.steps) == 1:
        return wanted.names[0]
    names = explanations.concept_names
    return wanted.fold(
        lambda name: Formula.concept(names[column_of(explanations, name)])
    )


def _parsed(text: str) -> Formula | None:
    """The formula of a text; None if it is none."""
    try:
        return Formula.parse(text)
    except ValueError:
        return None


def _is_label(explanations: Record, formula: Formula) -> Bool[np.ndarray, " neurons"]:
    """Neurons whose best formula is equivalent to one."""
    wanted = {column_of(explanations, name) for name in formula.names}
    literals = explanations.literals[:, -1, 0]
    candidates = np.flatnonzero(np.isin(literals // 2, list(wanted)).any(-1))
    result = np.zeros(len(explanations), bool)
    for position in candidates:
        best = explanations.formula(int(position))
        result[position] = best is not None and are_equivalent(best, formula)
    return result


def _columns_under(
    explanations: Record, concept: str, hypernyms: bool | Concepts
) -> list[int]:
    """Columns of a concept and, if asked for, of all that are a kind of it."""
    if hypernyms is False:
        return [column_of(explanations, concept)]
    wnids = _wnids(explanations, hypernyms)
    wnid = wnids.get(concept) or next((s.wnid for s in find_synsets(concept)), None)
    if wnid is None:
        column_of(explanations, concept)
        raise ValueError(
            f"`hypernyms` need a concept that is a noun in WordNet; got {concept!r}."
        )
    names = enumerate(explanations.concept_names)
    columns = [column for column, name in names if _is_under(wnids[name], wnid)]
    if not columns:
        raise ValueError(
            f"`concept` must be a searched concept or have one under it; got "
            f"{concept!r}."
        )
    of_names = (explanations.concept_names[column] for column in columns)
    return [column_of(explanations, name) for name in of_names]


def _is_under(wnid: str | None, above: str) -> bool:
    return wnid is not None and (wnid == above or above in hypernym_closure(wnid))


def _wnids(explanations: Record, hypernyms: bool | Concepts) -> dict[str, str | None]:
    """The synset of each concept: its description's, ImageNet's, or the first sense."""
    names = explanations.concept_names
    of_imagenet = _imagenet_wnids()
    descriptions: Iterable[str] | None = None
    if isinstance(hypernyms, Concepts):
        known = dict(
            zip(hypernyms.names, hypernyms.descriptions or hypernyms.names, strict=True)
        )
        descriptions = [known.get(name, "") for name in names]
    elif of_imagenet.keys() >= set(names):
        return {name: of_imagenet[name] for name in names}
    return match_synsets(names, descriptions=descriptions).synsets


@functools.cache
def _imagenet_wnids() -> dict[str, str | None]:
    """The synset of each concept that `imagenet` gives."""
    table = imagenet([0])
    texts = table.descriptions or ()
    return {
        name: text.partition(":")[0]
        for name, text in zip(table.names, texts, strict=True)
    }
