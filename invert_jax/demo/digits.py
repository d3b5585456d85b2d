"""The data of the demo: real handwritten digits, and what is true of each.

The pictures are scikit-learn's `load_digits`: 1,797 digits written by 13 people, 8 x 8
pixels each, from the UCI collection "Optical Recognition of Handwritten Digits".
Nothing is downloaded; they come with scikit-learn.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from invert_jax import Concepts
from invert_jax.demo.attributes import DEFINITIONS, image_attributes

NUMERALS = tuple("zero one two three four five six seven eight nine".split())

DIGIT_ATTRIBUTES: dict[str, tuple[set[int], str]] = {
    "even": ({0, 2, 4, 6, 8}, "divisible by two"),
    "prime": ({2, 3, 5, 7}, "divisible by one and itself alone"),
    "square": ({0, 1, 4, 9}, "a whole number times itself"),
    "multiple_of_three": ({0, 3, 6, 9}, "divisible by three"),
    "below_three": ({0, 1, 2}, "less than three"),
    "above_six": ({7, 8, 9}, "more than six"),
    "has_loop": ({0, 6, 8, 9}, "written with a closed loop"),
    "straight_strokes": ({1, 4, 7}, "written with straight strokes only"),
    "flat_stroke": ({2, 4, 5, 7}, "written with a horizontal stroke"),
    "symmetric": ({0, 1, 8}, "the same in a mirror"),
    "reads_upside_down": ({0, 1, 6, 8, 9}, "also a digit when turned upside down"),
}


class Digits(NamedTuple):
    """Pictures of handwritten digits.

    Attributes:
        images: Ink of each pixel, from 0 to 16, row 0 at the top.
        labels: The digit that the writer was asked for.
        ids: Place of each picture in scikit-learn's data set.
    """

    images: Float[np.ndarray, "samples 8 8"]
    labels: Int[np.ndarray, " samples"]
    ids: Int[np.ndarray, " samples"]

    def take(self, samples: Int[np.ndarray, " taken"]) -> "Digits":
        """The pictures at these places, in this order."""
        return Digits(*(field[samples] for field in self))


def load() -> Digits:
    """All pictures, in the order of the data set.

    Raises:
        ImportError: scikit-learn, the extra `demo`, is not installed.

    >>> digits = load()
    >>> digits.images.shape, digits.labels[:5].tolist()
    ((1797, 8, 8), [0, 1, 2, 3, 4])
    """
    try:
        from sklearn import datasets
    except ImportError as error:
        raise ImportError(
            "The demo reads its pictures from scikit-learn, which is not installed. "
            "Install it with: pip install 'invert_jax[demo]'"
        ) from error
    bunch = datasets.load_digits()
    return Digits(
        images=bunch.images.astype(np.float32),
        labels=bunch.target.astype(np.int32),
        ids=np.arange(len(bunch.target)),
    )


def halves(digits: Digits, *, seed: int = 0) -> tuple[Digits, Digits]:
    """Split into two halves at random: one to train on, one to be explained on.

    The second half has the extra picture if their number is odd, and keeps the order
    of the data set.

    >>> train, held_out = halves(load())
    >>> len(train.labels), len(held_out.labels)
    (898, 899)
    """
    order = np.random.default_rng(seed).permutation(len(digits.labels))
    middle = len(order) // 2
    return digits.take(order[:middle]), digits.take(np.sort(order[middle:]))


def concepts_of(digits: Digits) -> Concepts:
    """What is true of each picture: its digit, and attributes of digit and picture.

    The ten digits come first, in order. All definitions are in the descriptions; no
    concept is the exact opposite of another, since every formula may say "not".

    >>> concepts = concepts_of(load())
    >>> concepts.descriptions[concepts.names.index("has_loop")]
    'The digit is written with a closed loop: 0, 6, 8 or 9.'
    """
    columns = [
        (numeral, digits.labels == digit, f"The digit is {digit}.")
        for digit, numeral in enumerate(NUMERALS)
    ]
    for name, (members, definition) in DIGIT_ATTRIBUTES.items():
        *most, last = sorted(members)
        text = f"The digit is {definition}: {', '.join(map(str, most))} or {last}."
        columns.append((name, np.isin(digits.labels, list(members)), text))
    attributes = image_attributes(digits.images)
    columns += [(name, attributes[name], text) for name, text in DEFINITIONS.items()]
    names, truths, definitions = zip(*columns, strict=True)
    return Concepts.from_masks(
        np.stack(truths, axis=1), names, descriptions=definitions, ids=digits.ids
    )
