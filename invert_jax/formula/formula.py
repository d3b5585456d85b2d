"""Formulas: what a neuron responds to, as a tree of concepts, NOT, AND and OR.

A formula is kept as its *steps* in postfix order, each connective after its operands:
`box & ~mailbox` is ("box", "mailbox", NOT, AND). Equal trees have equal steps, and
whatever is done with a formula is one pass with a stack, so no depth is too deep.
"""

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import NoReturn, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Bool
from numpy.typing import ArrayLike

from invert_jax.formula.grammar import (
    AND,
    BINDINGS,
    NOT,
    OR,
    Connective,
    infix,
    spoken,
    steps_of,
    written,
)
from invert_jax.plain_arrays import plain_array

T = TypeVar("T")


@runtime_checkable
class HasMasks(Protocol):
    """Anything that gives the masks of named concepts, such as `Concepts`."""

    def masks(self, names: Sequence[str]) -> Bool[np.ndarray, "samples concepts"]:
        """Masks of the named concepts, one column each."""


Masks = Mapping[str, ArrayLike] | HasMasks


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Formula:
    """A logical formula over concepts, immutable and hashable.

    Made by `parse`, `concept` and `from_literals`, and joined by `&`, `|` and `~`.
    Equal is what has the same structure: `a & (b & c)` is not `a & b & c`.

    >>> box, mailbox = Formula.concept("box"), Formula.concept("mailbox")
    >>> box & ~mailbox
    Formula.parse('box & ~mailbox')
    >>> Formula.parse("box AND NOT mailbox") == box & ~mailbox
    True
    """

    steps: tuple[str | Connective, ...]

    def __init__(self, *_: object):
        raise TypeError("`Formula` is made by `parse`, `concept` or `from_literals`.")

    @classmethod
    def _of(cls, steps: Iterable[str | Connective]) -> "Formula":
        """The formula of steps that are known to be one."""
        formula = object.__new__(cls)
        object.__setattr__(formula, "steps", tuple(steps))
        return formula

    @classmethod
    def parse(cls, text: str) -> "Formula":
        """Read a formula from text; `Formula.parse(str(formula)) == formula`, always.

        Text that is no formula is a ValueError that shows where, counted from 0.

        >>> Formula.parse('dog | ~(wolf ∧ "polar bear")').names
        ('dog', 'wolf', 'polar bear')
        """
        if not isinstance(text, str):
            raise TypeError(f"`text` must be a str, got {type(text).__name__}.")
        return cls._of(steps_of(text))

    @classmethod
    def concept(cls, name: str) -> "Formula":
        """The formula that is one concept; `name` is taken as it is, never parsed.

        >>> str(Formula.concept("salt & pepper"))
        '"salt & pepper"'
        """
        return cls.from_literals([name], [False], [])

    @classmethod
    def from_literals(
        cls, names: Iterable[str], negated: Iterable[bool | np.bool], ops: Iterable[str]
    ) -> "Formula":
        """The left-linear formula ((l1 op1 l2) op2 l3) …, such as the search finds.

        A literal is a name and whether it is negated; `ops` holds "and" or "or".

        >>> Formula.from_literals(["a", "b", "c"], [False, True, False], ["and", "or"])
        Formula.parse('a & ~b | c')
        """
        names, negated, ops = tuple(names), tuple(negated), tuple(ops)
        _check_literals(names, negated, ops)
        steps: list[str | Connective] = []
        for name, is_negated, op in zip(names, negated, (None, *ops), strict=True):
            # NumPy's strings are of a class of their own.
            steps += [str(name), NOT] if is_negated else [str(name)]
            steps += [BINDINGS[op]] if op else []
        return cls._of(steps)

    def __and__(self, other: object) -> "Formula":
        if not isinstance(other, Formula):
            return NotImplemented
        return self._of((*self.steps, *other.steps, AND))

    def __or__(self, other: object) -> "Formula":
        if not isinstance(other, Formula):
            return NotImplemented
        return self._of((*self.steps, *other.steps, OR))

    def __invert__(self) -> "Formula":
        return self._of((*self.steps, NOT))

    def __bool__(self) -> NoReturn:
        raise TypeError("Join formulas by `&`, `|` and `~`; ask for None by `is None`.")

    def __str__(self) -> str:
        return infix(self.steps, written, (" | ", " & ", "~"))

    def __repr__(self) -> str:
        return f"Formula.parse({str(self)!r})"

    def to_words(self) -> str:
        """The formula for people: words for signs, and quotes where names need them.

        A name of several words stays bare unless a sign, a bracket or AND, OR, NOT is
        in it, so that different formulas have different words.

        >>> Formula.parse('"polar bear" & ~(dog | "rock and roll")').to_words()
        'polar bear AND NOT (dog OR "rock and roll")'
        """
        return infix(self.steps, spoken, (" OR ", " AND ", "NOT "))

    @property
    def length(self) -> int:
        """Number of literals, each as often as it occurs.

        >>> Formula.parse("a & ~b | a").length
        3
        """
        return sum(isinstance(step, str) for step in self.steps)

    @property
    def names(self) -> tuple[str, ...]:
        """Distinct names of the concepts, in the order of their first occurrence.

        >>> Formula.parse("b & ~a | b").names
        ('b', 'a')
        """
        return tuple(dict.fromkeys(s for s in self.steps if isinstance(s, str)))

    @property
    def literals(self) -> tuple[tuple[str, bool], ...]:
        """Name, and whether negated, of each literal of ((l1 op1 l2) op2 l3) ….

        A ValueError for a formula that is not of this form.

        >>> Formula.parse("a & ~b | c").literals
        (('a', False), ('b', True), ('c', False))
        """
        literals = tuple(
            (step, after is NOT)
            for step, after in zip(self.steps, (*self.steps[1:], None), strict=True)
            if isinstance(step, str)
        )
        names, negated = zip(*literals, strict=True)
        if Formula.from_literals(names, negated, self.ops) != self:
            raise ValueError(
                "`literals` are those of a formula ((l1 op1 l2) op2 l3) …, "
                f"got {str(self)[:60]!r}; `fold` goes over any tree."
            )
        return literals

    @property
    def ops(self) -> tuple[str, ...]:
        """Each "and" and "or", in the order in which they are applied.

        >>> Formula.parse("a & ~b | c").ops
        ('and', 'or')
        """
        return tuple(step.name.lower() for step in self.steps if step in (AND, OR))

    def fold(
        self,
        leaf: Callable[[str], T],
        *,
        not_: Callable[..., T] = operator.invert,
        and_: Callable[..., T] = operator.and_,
        or_: Callable[..., T] = operator.or_,
    ) -> T:
        """The value of the tree: `leaf` of each name, joined from the leaves up.

        Boolean logic unless told otherwise. Fuzzy logic, and other names:

        >>> formula = Formula.parse("n02883344 & ~n03710193")
        >>> memberships = {"n02883344": 0.75, "n03710193": 0.5}
        >>> formula.fold(memberships.get, not_=lambda x: 1 - x, and_=min, or_=max)
        0.5
        >>> lemmas = {"n02883344": "box", "n03710193": "mailbox"}
        >>> formula.fold(lambda name: Formula.concept(lemmas[name])).to_words()
        'box AND NOT mailbox'
        """
        stack: list[T] = []
        for step in self.steps:
            if isinstance(step, str):
                stack.append(leaf(step))
            elif step is NOT:
                stack.append(not_(stack.pop()))
            else:
                right, left = stack.pop(), stack.pop()
                stack.append((and_ if step is AND else or_)(left, right))
        return stack.pop()

    def evaluate(self, masks: Masks) -> Bool[np.ndarray, " samples"]:
        """Whether the formula holds on each sample, by its masks or by `Concepts`.

        >>> masks = {"box": [True, True, False], "mailbox": [True, False, False]}
        >>> Formula.parse("box & ~mailbox").evaluate(masks)
        array([False,  True, False])
        """
        return np.array(self.fold(_columns(self.names, masks).__getitem__))


def _check_literals(names: tuple, negated: tuple, ops: tuple) -> None:
    """Refuse what makes no left-linear formula."""
    if not names or len(negated) != len(names) or len(ops) != len(names) - 1:
        raise ValueError(
            "`names` and `negated` must be of one length, 1 or more, and `ops` one "
            f"shorter; got {len(names)}, {len(negated)} and {len(ops)}."
        )
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"`names` must be str, got {names!r}.")
    if not all(isinstance(value, bool | np.bool) for value in negated):
        raise TypeError(f"`negated` must be bool, got {negated!r}.")
    if not {"and", "or"}.issuperset(ops):
        raise ValueError(f"`ops` must be 'and' or 'or', got {ops!r}.")


def _columns(names: tuple[str, ...], masks: Masks) -> dict[str, np.ndarray]:
    """The masks of the names, checked."""
    if isinstance(masks, Mapping):
        _check_known(names, masks)
        columns = {name: plain_array(name, masks[name]) for name in names}
    elif isinstance(masks, HasMasks):
        _check_known(names, getattr(masks, "names", names))
        columns = dict(zip(names, np.asarray(masks.masks(names)).T, strict=True))
    else:
        raise TypeError(f"`masks` must be a mapping or `Concepts`, got {type(masks)}.")
    expected = columns[names[0]].shape
    for name, column in columns.items():
        if column.dtype != np.bool:
            raise TypeError(f"`masks` must be bool, got {column.dtype} for {name!r}.")
        if column.ndim != 1 or column.shape != expected:
            raise ValueError(
                "`masks` must be of shape [samples], all of one length, got "
                f"{expected} for {names[0]!r} and {column.shape} for {name!r}."
            )
    return columns


def _check_known(names: tuple[str, ...], known: Iterable[str]) -> None:
    """Refuse a name that is not known, and give those that it may have meant."""
    unknown = set(names).difference(known)
    if unknown:
        close = get_close_matches(min(unknown), map(str, known)) or "none"
        raise ValueError(
            "`masks` must have every concept of the formula, got none named "
            f"{min(unknown)!r}; known names close to it: {close}."
        )
