"""The null of the best score: what the same search finds on meaningless neurons.

For a rank objective it depends on a neuron through its ties alone, so that a few
thousand random assignments of ranks to samples, labeled once by the very same program,
give every neuron a p-value that is valid after the search.
"""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from invert_jax import disk
from invert_jax.checks import check_share, check_whole
from invert_jax.core.exact import MAX_SAMPLES
from invert_jax.core.statistics import (
    drawn_patterns,
    permutations,
    tails,
    tie_patterns,
)
from invert_jax.explanations.record import Record
from invert_jax.explanations.same_run import check_same_search
from invert_jax.explanations.significance import Significance, q_values
from invert_jax.settings import SearchSettings

FORMAT = "invert_jax null"
VERSION = 2


@dataclass(frozen=True, eq=False, repr=False)
class Null:
    """The best formula's score on meaningless neurons, after each step of the search.

    Attributes:
        patterns: The tie patterns drawn: (samples below, samples in it) of each large
            group of ties; () for none.
        sums: Sum of the objective's weights over the support of the best formula of
            each draw.
        supports: Size of that support; 0 where nothing was found.
        num_samples: Samples of each draw.
        settings: What was searched for.
        concepts: Content hash of the concepts.
        seed: Where the draws come from.
    """

    patterns: tuple[tie_patterns.Pattern, ...]
    sums: Int[np.ndarray, "patterns draws steps"]
    supports: Int[np.ndarray, "patterns draws steps"]
    num_samples: int
    settings: SearchSettings
    concepts: str
    seed: tuple[int, ...]

    @property
    def num_draws(self) -> int:
        """Meaningless neurons per tie pattern."""
        return self.supports.shape[1]

    @cached_property
    def scores(self) -> Float[np.ndarray, "patterns draws steps"]:
        """AUROC of the best formula of each draw; nan where nothing was found.

        For sign "negative" the lowest AUROC.
        """
        score = self.settings.how_to_score.score
        return score(self.sums, self.supports, num_samples=self.num_samples)

    def significance(self, explanations: Record, alpha: float) -> Significance:
        """What this null says of explanations; see `Explanations.with_null`."""
        check_share("alpha", alpha)
        check_same_search(explanations, concepts=self.concepts, settings=self.settings)
        drawn = drawn_patterns.drawn_ties(
            explanations.tie_groups, explanations.tie_sums, set(self.patterns),
            num_samples=explanations.num_samples, from_below=self._from_below,
        )  # fmt: skip
        rows = self._rows_of(drawn.patterns, explanations.has_formula)
        found = _best_scores(
            explanations.rank_sums[:, :, 0], explanations.supports[:, :, 0],
            explanations.num_samples, explanations.settings,
        )  # fmt: skip
        num_reached = np.zeros(found.shape, np.int64)
        extrapolated = np.full((*found.shape, 3), np.nan)
        for neurons, row, scale, lacking in _kinds(rows, drawn):
            for step in range(found.shape[1]):
                # Scaled are the neurons, not the draws.
                allowed = self._allowance(row, step, *lacking) / scale
                scores = 0.5 + (found[neurons, step] - 0.5) / scale
                num_reached[neurons, step] = permutations.reached(
                    scores, self._best[row, :, step] + allowed
                )
                is_beyond = num_reached[neurons, step] == 0
                if is_beyond.any():
                    beyond = neurons[is_beyond]
                    lowest = scores[is_beyond] - np.nanmax(allowed)
                    log10_p = tails.log10_tail_p(self._tail(row, step), lowest)
                    extrapolated[beyond, step] = log10_p.T
        p_search = permutations.permutation_p(num_reached, num_draws=self.num_draws)
        p_search = np.where(np.isnan(found), np.nan, p_search)
        return Significance(
            p_search=p_search,
            q_value=np.stack([q_values(each) for each in p_search.T], axis=1),
            log10_extrapolated=extrapolated,
            alpha=float(alpha),
            num_draws=self.num_draws,
            num_neurons=len(explanations),
        )

    def save(self, path: str | os.PathLike) -> None:
        """Write one npz file; see `load`."""
        description = {
            "format": FORMAT,
            "version": VERSION,
            "patterns": self.patterns,
            "num_samples": self.num_samples,
            "settings": asdict(self.settings),
            "concepts": self.concepts,
            "seed": self.seed,
        }
        arrays = {
            "description": np.array(json.dumps(description, default=float)),
            "sums": self.sums,
            "supports": self.supports,
        }
        disk.save_arrays(Path(path), arrays)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Null":
        """Read a file written by `save`; nothing is unpickled."""
        if not Path(path).is_file():
            raise FileNotFoundError(
                "`path` must be a file written by `Null.save`; "
                f"{str(path)!r} does not exist."
            )
        arrays = disk.load_arrays(Path(path))
        try:
            if arrays is None:
                raise ValueError("it is damaged")
            return cls(**_fields_of(arrays))
        except (
            LookupError, TypeError, ValueError, AttributeError, OverflowError,
            RecursionError,
        ) as error:  # fmt: skip
            raise ValueError(
                f"`path` must be a file written by `Null.save`; {str(path)!r} is not: "
                f"{error}. Draw it again by null_distribution."
            ) from error

    def __repr__(self) -> str:
        return (
            f"Null({self.num_draws} draws of {len(self.patterns)} tie patterns, "
            f"max_length={self.settings.max_length}, "
            f"beam_size={self.settings.beam_size})"
        )

    @cached_property
    def _best(self) -> Float[np.ndarray, "patterns draws steps"]:
        """The scores as they were searched for: larger is better."""
        return _best_scores(self.sums, self.supports, self.num_samples, self.settings)

    @property
    def _from_below(self) -> bool:
        """Whether low scores were searched for."""
        return self.settings.sign == "negative"

    def _allowance(
        self, row: int, step: int, untied: int, largest: int, smooth_from: Sequence[int]
    ) -> Float[np.ndarray, " draws"]:
        """What draws may lack because their ties and a neuron's differ."""
        best, pattern = self._best[row, :, step], self.patterns[row]
        supports, num_samples = self.supports[row, :, step], self.num_samples
        if untied == 0 and largest < 2 and not any(smooth_from):
            return np.zeros(len(best))
        # Searched for low activations, the group at the lowest value is the highest.
        has_lowest = bool(pattern) and pattern[0][0] == 0 and not self._from_below
        missing = permutations.allowance(
            best,
            supports,
            untied=untied,
            largest=largest,
            num_active=num_samples - (pattern[0][1] if has_lowest else 0),
            num_samples=num_samples,
        )
        spread = tie_patterns.spread(pattern, num_samples=num_samples)
        is_smooth = permutations.is_smooth(supports, spread=spread)
        missing = np.where(is_smooth, 0.0, missing)
        if not any(smooth_from):
            return missing
        # Steps of either may begin anywhere in those of the other.
        of_drawn = drawn_patterns.smooth_from(pattern, num_samples=num_samples)
        lumps = (
            drawn_patterns.lumpiness(supports, smooth_from)
            + drawn_patterns.lumpiness(supports, of_drawn)
        ) / 2
        step_size = permutations.score_step(supports, num_samples=num_samples)
        return np.minimum(missing + lumps * step_size, step_size)

    def _tail(self, row: int, step: int) -> tails.Tail:
        """The tail of the best scores of a pattern, fitted once."""
        if (row, step) not in self._tails:
            self._tails[row, step] = tails.fit_tail(self._best[row, :, step])
        return self._tails[row, step]

    @cached_property
    def _tails(self) -> dict[tuple[int, int], tails.Tail]:
        return {}

    def _rows_of(
        self,
        patterns: Sequence[tie_patterns.Pattern],
        needed: Bool[np.ndarray, " neurons"],
    ) -> Int[np.ndarray, " neurons"]:
        """The row of each pattern, -1 if not needed; an error if it was not drawn."""
        row_of = {pattern: row for row, pattern in enumerate(self.patterns)}
        pairs = list(zip(patterns, needed.tolist(), strict=True))
        missing = {each for each, needs in pairs if needs} - set(row_of)
        if missing:
            raise ValueError(
                "`null` must have draws of the ties of every neuron; "
                f"{len(missing)} tie patterns are missing, such as "
                f"{min(missing)} (samples below, samples tied). Draw it with "
                "`like` set to these explanations."
            )
        return np.array(
            [row_of[each] if is_needed else -1 for each, is_needed in pairs]
        )


def _kinds(
    rows: Int[np.ndarray, " neurons"], drawn: drawn_patterns.DrawnTies
) -> Iterator[tuple[Int[np.ndarray, " some"], int, float, tuple]]:
    """Neurons that are judged alike: by which row, what scale, with what allowance."""
    lacking = (rows, drawn.untied, drawn.largest)
    keys = np.column_stack((*lacking, drawn.smooth_from, drawn.scale))
    kinds, kind = np.unique(keys[rows >= 0], axis=0, return_inverse=True)
    for number, (*whole, scale) in enumerate(kinds.tolist()):
        row, untied, largest, *smooth_from = map(int, whole)
        neurons = np.flatnonzero(rows >= 0)[kind == number]
        yield neurons, row, scale, (untied, largest, smooth_from)


def _best_scores(
    sums: Int[np.ndarray, "*axes"],
    supports: Int[np.ndarray, "*axes"],
    num_samples: int,
    settings: SearchSettings,
) -> Float[np.ndarray, "*axes"]:
    """Scores as they are searched for, larger is better; nan in an empty slot."""
    signed = -sums if settings.sign == "negative" else sums
    return settings.how_to_score.score(signed, supports, num_samples=num_samples)


def _fields_of(arrays: dict[str, np.ndarray]) -> dict:
    """The fields of a null from what was saved."""
    description = json.loads(str(arrays["description"]))
    if (description.pop("format"), description.pop("version")) != (FORMAT, VERSION):
        raise ValueError("it is of another format or version")
    patterns = tuple(
        tuple((int(start), int(size)) for start, size in pattern)
        for pattern in description["patterns"]
    )
    settings = SearchSettings(**description["settings"])
    num_samples, supports = description["num_samples"], arrays["supports"]
    check_whole("num_samples", num_samples, 1, MAX_SAMPLES)
    groups = [group for pattern in patterns for group in pattern]
    if not all(0 <= at < at + size <= num_samples for at, size in groups):
        raise ValueError("a pattern has ties beyond its samples")
    if not isinstance(description["concepts"], str):
        raise TypeError("`concepts` is no digest")
    if supports.ndim != 3 or supports.shape[::2] != (
        len(patterns),
        settings.max_length,
    ):
        raise ValueError("its draws are not those of its patterns and lengths")
    sums = arrays["sums"].reshape(supports.shape)
    if {sums.dtype, supports.dtype} != {np.dtype(np.int64)}:
        raise TypeError("its draws are no whole numbers")
    largest = supports * (num_samples - supports)
    if (supports < 0).any() or (np.abs(sums) > largest).any():
        raise ValueError("a draw has a score that is not in [0, 1]")
    return description | {
        "patterns": patterns,
        "settings": settings,
        "seed": tuple(int(number) for number in description["seed"]),
        "sums": sums,
        "supports": supports,
    }
