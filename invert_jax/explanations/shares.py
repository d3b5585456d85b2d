"""How many labels name which kinds of concepts."""

from collections import Counter
from dataclasses import dataclass

from invert_jax.checks import check_text
from invert_jax.explanations.record import LABELED, Record

# Concepts whose name has no kind.
OTHER = "other"
KINDS_SHOWN = 6
# Between kinds that a label names together, in alphabetical order.
JOINT = " + "


@dataclass(frozen=True)
class Shares:
    """Labels by the kinds of the concepts that they name.

    Attributes:
        num_labels: How many labels name this kind and no other, or these kinds, as
            "shape + texture"; the most frequent first.

    >>> shares = Shares({"shape": 3, "shape + texture": 1})
    >>> shares["shape"], shares["shape + texture"], shares["texture"]
    (0.75, 0.25, 0.0)
    """

    num_labels: dict[str, int]

    @property
    def total(self) -> int:
        """Labels in all."""
        return sum(self.num_labels.values())

    def __getitem__(self, kinds: str) -> float:
        """Share of the labels that name these kinds and no others, in [0, 1]."""
        named = JOINT.join(sorted(kinds.split(JOINT)))
        return self.num_labels.get(named, 0) / max(1, self.total)

    def __str__(self) -> str:
        shown = list(self.num_labels)[:KINDS_SHOWN]
        parts = [
            f"{kinds} {self.num_labels[kinds]} ({self[kinds]:.1%})" for kinds in shown
        ]
        hidden = len(self.num_labels) - len(shown)
        return ", ".join(parts) + (f" and {hidden} more" if hidden else "")

    def __repr__(self) -> str:
        return f"Shares({self.total} labels: {self})"


def shares_of(record: Record, by: str = "=") -> Shares:
    """How many labels name which kinds of concepts; see `Explanations.shares`."""
    if not isinstance(by, str) or not by:
        raise ValueError(f"`by` must be a string, not empty; got {by!r}.")
    check_text("by", [by])
    kinds = [kind_of(name, by) for name in record.concept_names]
    counts = Counter(
        JOINT.join(
            sorted({kinds[literal // 2] for literal in literals if literal >= 0})
        )
        for literals in record.literals[record.status == LABELED, -1, 0].tolist()
    )
    return Shares(dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))))


def kind_of(name: str, by: str) -> str:
    """What stands before the first `by` in a name.

    >>> kind_of("texture=fur", "="), kind_of("digit", "=")
    ('texture', 'other')
    """
    kind, found, _ = name.partition(by)
    return kind if found else OTHER


def have_kinds(record: Record, by: str = "=") -> bool:
    """Whether names of concepts tell kinds apart."""
    return len({kind_of(name, by) for name in record.concept_names}) > 1
