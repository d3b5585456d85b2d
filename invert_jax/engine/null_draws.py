"""Meaningless neurons of one tie pattern, drawn and labeled by the search itself."""

import hashlib
import json
import os
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from invert_jax.concepts.synonyms import searched_columns
from invert_jax.concepts.table import Concepts
from invert_jax.core import exact, randomness
from invert_jax.core.statistics import permutations, tie_patterns
from invert_jax.engine import resuming
from invert_jax.engine.blocks import Blocks
from invert_jax.engine.plan import plan_search, spans_of
from invert_jax.engine.ranked import Ranked
from invert_jax.settings import Options, SearchSettings

# Of what the draws of a pattern depend on beside the settings: how they are made.
VERSION = 1
# What was drawn last, by content, so that it is drawn once; and how many bytes of it
# are kept: 2,000 draws of three steps take 96,000, and a layer may need 100 patterns.
LARGEST_CACHE = 256 << 20
_drawn: OrderedDict[str, dict[str, np.ndarray]] = OrderedDict()


@dataclass(frozen=True)
class Drawing:
    """What is drawn from, and how.

    Attributes:
        concepts: All concepts, of the samples that count.
        settings: What to search for.
        num_draws: Draws per pattern.
        seed: Where they come from.
        options: How to run.
    """

    concepts: Concepts
    settings: SearchSettings
    num_draws: int
    seed: tuple[int, ...]
    options: Options

    def of(
        self, pattern: tie_patterns.Pattern, step: Callable[[int], object]
    ) -> dict[str, np.ndarray]:
        """The draws of a pattern: from memory, from the disk, or anew.

        Args:
            pattern: Its large groups of ties.
            step: Told how many draws are done.
        """
        key = self._key(pattern)
        output = self.options.output
        folder = None if output is None else Path(output)
        found = _drawn.get(key)
        if found is None and folder is not None:
            found = resuming.load_part(folder, key)
        if found is None:
            found = self._draw(pattern, step)
            if folder is not None:
                resuming.save_part(folder, key, found)
        else:
            step(self.num_draws)
        _drawn[key] = found
        _drawn.move_to_end(key)
        while len(_drawn) > 1 and _num_bytes() > LARGEST_CACHE:
            _drawn.popitem(last=False)
        return found

    def _key(self, pattern: tie_patterns.Pattern) -> str:
        """Hash of all that the draws depend on."""
        described = {
            "version": VERSION,
            "concepts": self.concepts.fingerprint(),
            "settings": asdict(self.settings),
            "num_draws": self.num_draws,
            "seed": self.seed,
            "pattern": pattern,
        }
        text = json.dumps(described, sort_keys=True, default=float)
        return hashlib.sha256(text.encode()).hexdigest()

    def _draw(
        self, pattern: tie_patterns.Pattern, step: Callable[[int], object]
    ) -> dict[str, np.ndarray]:
        """Label the draws, block by block."""
        table = searched_columns(self.concepts).table
        shape = (self.num_draws, self.settings.max_length)
        rank_sums, supports = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        found = {"rank_sums": rank_sums, "supports": supports}
        smallest, largest = self.settings.bounds(self.concepts.num_samples)
        if table is None or smallest > largest:
            return found
        plan = plan_search(table, self.settings, self.options, count=self.num_draws)
        spans = spans_of(self.num_draws, plan.size)
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            ranked = self._ranked(pattern, plan.blocks, spans, plan.size, threads)
            results = plan.blocks.run_ranked(plan.program, ranked, plan.size)
            for (start, stop), (best, _) in zip(spans, results, strict=True):
                sums = exact.to_int64(best.sums)[:, :, 0]
                negative = self.settings.sign == "negative"
                rank_sums[start:stop] = -sums if negative else sums
                supports[start:stop] = best.num_positives[:, :, 0]
                step(stop - start)
        return found

    def _ranked(
        self,
        pattern: tie_patterns.Pattern,
        blocks: Blocks,
        spans: list[tuple[int, int]],
        size: int,
        threads: ThreadPoolExecutor,
    ) -> Iterator[Ranked]:
        """Blocks of meaningless neurons with the ties of the pattern."""
        groups = np.reshape(pattern, (-1, 2)).astype(np.int64)
        midranks = tie_patterns.midranks_of(
            groups, num_samples=self.concepts.num_samples
        )
        rows = blocks.row_of_sample
        row_counts = np.bincount(rows, minlength=blocks.num_rows)
        seed = (*self.seed, *groups.ravel().tolist())

        def draw_one(draw: int) -> np.ndarray:
            generator = randomness.draw_generator(seed, draw)
            sums = permutations.permuted_row_sums(midranks, rows, row_counts, generator)
            return blocks.limbs_of(sums)

        for start, stop in spans:
            count = stop - start
            drawn = np.stack(list(threads.map(draw_one, range(start, stop))))
            weights = np.zeros((size, *drawn.shape[1:]), np.float32)
            weights[:count] = drawn
            yield Ranked(
                weights,
                np.zeros(count),
                np.zeros(count, bool),
                np.zeros((count, tie_patterns.NUM_GROUPS, 2), np.int64),
            )


def _num_bytes() -> int:
    """Size of all draws in memory."""
    return sum(array.nbytes for each in _drawn.values() for array in each.values())
