"""What to search for, and how to run: the settings of `explain`, checked once."""

import math
import numbers
import os
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import jax
import numpy as np

from invert_jax.checks import check_choice, check_fraction, check_whole
from invert_jax.core.objectives.auroc import AUROC
from invert_jax.core.objectives.objective import Objective
from invert_jax.core.search.beam import MAX_LENGTH
from invert_jax.core.search.limits import support_bounds

OBJECTIVES = {"auroc": AUROC}
SIGNS = ("positive", "negative")
FEW_POSITIVES = 20
MAX_BEAM_SIZE = 1024


@dataclass(frozen=True)
class SearchSettings:
    """The settings of a search, as `explain` takes them.

    Attributes:
        max_length: Most literals of a formula, 1 to 31.
        beam_size: Formulas kept per step.
        min_fraction: Smallest share of the samples where a formula may hold, inclusive.
        max_fraction: Largest such share, inclusive.
        sign: "positive" for what a neuron is high for, "negative" for low.
        num_literals: Literals that extensions may use per neuron; None for all.
        objective: What to maximize; "auroc".
    """

    max_length: int = 3
    beam_size: int = 5
    min_fraction: float = 0.0
    max_fraction: float = 0.5
    sign: str = "positive"
    num_literals: int | None = None
    objective: str = "auroc"

    def __post_init__(self) -> None:
        self._check()
        for name in ("max_length", "beam_size", "num_literals"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else int(value))
        for name in ("min_fraction", "max_fraction"):
            value = getattr(self, name)
            if isinstance(value, np.float32 | np.float16):
                value = _widest(value, above=name == "max_fraction")
            object.__setattr__(self, name, float(value))

    def _check(self) -> None:
        """Refuse what cannot be searched for."""
        check_whole("max_length", self.max_length, 1, MAX_LENGTH)
        check_whole("beam_size", self.beam_size, 1, MAX_BEAM_SIZE)
        check_fraction("min_fraction", self.min_fraction)
        check_fraction("max_fraction", self.max_fraction)
        if self.min_fraction > self.max_fraction:
            raise ValueError(
                "`min_fraction` must not exceed `max_fraction`; got "
                f"{self.min_fraction} and {self.max_fraction}."
            )
        check_choice("sign", self.sign, SIGNS)
        check_choice("objective", self.objective, OBJECTIVES)
        if self.num_literals is not None:
            check_whole("num_literals", self.num_literals, 2)
            if self.num_literals % 2:
                raise ValueError(
                    "`num_literals` must be even, since a concept comes with its "
                    f"negation; got {self.num_literals}."
                )

    @property
    def how_to_score(self) -> Objective:
        """The objective itself."""
        return OBJECTIVES[self.objective]

    def bounds(self, num_samples: int) -> tuple[int, int]:
        """Smallest and largest support, as counts.

        >>> SearchSettings(min_fraction=0.002).bounds(50_000)
        (100, 25000)
        """
        return support_bounds(self.min_fraction, self.max_fraction, num_samples)


def _widest(value: np.float32 | np.float16, *, above: bool) -> float:
    """The last float64 that rounds to the value, so that counts over N that do count.

    >>> half = np.float32(0.5)
    >>> _widest(half, above=False) < 0.5 < _widest(half, above=True)
    True
    """
    neighbor = np.nextafter(value, value.dtype.type(1 if above else 0))
    return (float(value) + float(neighbor)) / 2


def fraction_of_few(num_samples: int) -> str:
    """The smallest `min_fraction` of three digits that asks for 20 positives.

    >>> fraction_of_few(50_000), fraction_of_few(899)
    ('0.0004', '0.0223')
    """
    wanted = Fraction(FEW_POSITIVES, num_samples)
    digits = 3 - math.ceil(math.log10(wanted))
    rounded = Fraction(math.ceil(wanted * 10**digits), 10**digits)
    return f"{float(rounded):.{digits}f}".rstrip("0")


MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Options:
    """How `explain` runs; nothing here changes a result.

    Attributes:
        memory_budget: Bytes of working memory beyond the activations themselves; it
            sets how many neurons are searched at a time.
        devices: What to run on; all local devices of the default backend if None.
        progress: Whether to show a progress bar.
        output: Folder for the result. What is done is kept there while the work runs:
            a run that was killed goes on where it stopped.

    >>> Options(memory_budget=256 << 20, progress=False).devices is None
    True
    """

    memory_budget: int = 1024 * MEBIBYTE
    devices: Sequence[jax.Device] | None = None
    progress: bool = True
    output: str | os.PathLike | None = None

    def __post_init__(self) -> None:
        whole = isinstance(self.memory_budget, numbers.Integral)
        if not whole or self.memory_budget < MEBIBYTE:
            raise ValueError(
                "`memory_budget` must be a whole number of bytes, at least 2**20; "
                f"got {self.memory_budget!r}."
            )
        if isinstance(self.devices, jax.Device):
            object.__setattr__(self, "devices", (self.devices,))
        if self.devices is not None and len(self.devices) == 0:
            raise ValueError("`devices` must hold at least one device; got none.")
        for device in self.devices or ():
            if not isinstance(device, jax.Device):
                raise TypeError(
                    "`devices` must be devices of JAX, as jax.devices() lists them; "
                    f"got {device!r}."
                )
        if not isinstance(self.progress, bool):
            raise TypeError(f"`progress` must be True or False; got {self.progress!r}.")


def checked_options(options: Options | None) -> Options:
    """The options, or the usual ones."""
    if options is None:
        return Options()
    if not isinstance(options, Options):
        raise TypeError(f"`options` must be invert_jax.Options; got {options!r}.")
    return options
