r"""How formulas are written and read.

Text is read by a grammar of its own; nothing is handed to Python to evaluate. From
tight to loose, all left-associative, the words in any case, with round brackets:

    NOT   ~   ¬   not       AND   &   ∧   and       OR   |   ∨   or

A name stands as it is if it is none of these words and has no space, bracket nor any of
``& | ~ ∧ ∨ ¬ ! " $ * , ; < > ? \ ^ ` ``. Every other name stands in double quotes, with
the escapes `\"`, `\\`, `\n`, `\t`, `\r`, `\xXX`, `\uXXXX` and `\UXXXXXXXX`.
"""

import enum
import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

# The same names are written in many formulas.
NAMES_KEPT = 1 << 16


class Connective(enum.IntEnum):
    """What joins formulas; the larger binds the tighter."""

    OR = 1
    AND = 2
    NOT = 3


OR, AND, NOT = Connective.OR, Connective.AND, Connective.NOT

BINDINGS = {"not": NOT, "and": AND, "or": OR}
_OPENERS = ("name", "not", "(")
_KINDS = {"~": "not", "¬": "not", "&": "and", "∧": "and", "|": "or", "\u2228": "or"}
_KINDS |= {kind: kind for kind in ("not", "and", "or", "(", ")")}
_ESCAPE = r'\\(?:["\\ntr]|xH{2}|uH{4}|U00(?:0H|10)H{4})'.replace("H", "[0-9a-fA-F]")
_PIECE = re.compile(
    rf'"(?P<quoted>(?:[^"\\]|{_ESCAPE})*)"'
    r"|(?P<bare>[^\s!\"$&()*,;<>?[\\\]^`{|}~∧\u2228¬]+)"
    r"|[&|~∧\u2228¬()\s]|(?P<other>.)"
)


def infix(
    steps: Sequence[str | Connective], shown: Callable[[str], str], signs: Sequence[str]
) -> str:
    """Text of the tree of some steps, with brackets only where it needs them."""

    def bracketed(text: str, binding: int, at_least: int) -> str:
        return text if binding >= at_least else f"({text})"

    stack: list[tuple[str, int]] = []
    for step in steps:
        if isinstance(step, str):
            stack.append((shown(step), NOT + 1))
            continue
        # Left-associative: on the right an equal binding needs brackets, too.
        right = bracketed(*stack.pop(), step if step is NOT else step + 1)
        left = "" if step is NOT else bracketed(*stack.pop(), step)
        stack.append((left + signs[step - 1] + right, step))
    return stack.pop()[0]


@lru_cache(maxsize=NAMES_KEPT)
def written(name: str) -> str:
    """The name as `parse` reads it, in quotes if it must be."""
    piece = _PIECE.fullmatch(name)
    is_bare = piece and piece["bare"] and name.isprintable()
    return name if is_bare and name.lower() not in _KINDS else _quoted(name)


@lru_cache(maxsize=NAMES_KEPT)
def spoken(name: str) -> str:
    """The name as people read it, in quotes if it could be taken for more."""
    taken = {*_KINDS, '"'}.intersection([*name, *name.lower().split()])
    is_bare = name and name.isprintable() and name == " ".join(name.split())
    return name if is_bare and not taken else _quoted(name)


def _quoted(name: str) -> str:
    """The name in double quotes, with escapes for what cannot be seen."""
    chars = ('\\"' if char == '"' else repr(char)[1:-1] for char in name)
    return f'"{"".join(chars)}"'


def _pieces(text: str) -> Iterator[tuple[str, str, int]]:
    """Kind, name and position of each name and sign in the text, and of its end."""
    for piece in _PIECE.finditer(text):
        bare, quoted = piece["bare"] or "", piece["quoted"] or ""
        if piece["other"] == '"':
            raise _error(text, piece.start(), "a quote has no end, or a bad escape,")
        if piece["other"] or not bare.isprintable():
            raise _error(text, piece.start(), "a name with a sign needs quotes")
        if not piece[0].isspace():
            # What Latin-1 lacks becomes an escape as well, then all are undone.
            raw = quoted.encode("latin-1", "backslashreplace")
            kind = _KINDS.get(piece[0].lower(), "name")
            yield kind, bare or raw.decode("unicode_escape"), piece.start()
    yield "end", "", len(text)


def steps_of(text: str) -> list[str | Connective]:
    """The steps of the formula in the text, by Dijkstra's shunting yard."""
    steps: list[str | Connective] = []
    waiting = [("start", 0)]
    previous = "start"
    for kind, name, start in _pieces(text):
        _check_order(text, previous, kind, start)
        previous = kind
        binding = NOT + 1 if kind in _OPENERS else BINDINGS.get(kind, OR)
        while BINDINGS.get(waiting[-1][0], 0) >= binding:
            steps.append(BINDINGS[waiting.pop()[0]])
        if kind == "name":
            steps.append(name)
        elif kind not in (")", "end"):
            waiting.append((kind, start))
        elif (waiting[-1][0] == "start") != (kind == "end"):
            at = waiting[-1][1] if kind == "end" else start
            raise _error(text, at, "a bracket has no partner")
        else:
            waiting.pop()
    return steps


def _check_order(text: str, previous: str, kind: str, start: int) -> None:
    """Refuse a piece that cannot follow the one before it."""
    wants_name = previous in ("start", "not", "and", "or", "(")
    if (previous, kind) in (("start", "end"), ("(", ")")):
        raise _error(text, start, "there is nothing in it")
    if wants_name != (kind in _OPENERS):
        missing = "an operator, or quotes around a name with spaces,"
        raise _error(text, start, f"{'a name' if wants_name else missing} is missing")


def _error(text: str, position: int, problem: str) -> ValueError:
    """What is wrong with the text, and a line under it that shows where."""
    before, after = text[max(0, position - 40) : position], text[position:][:40]
    shown = "".join(c if c.isprintable() else " " for c in before + after)
    return ValueError(
        f"`text` must be a formula such as 'box & ~mailbox'; {problem} at position "
        f"{position} of\n    {shown}\n    {' ' * len(before)}^"
    )
