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

from invert_jax import disk
from invert_jax.concepts.synonyms import searched_columns
from invert_jax.concepts.table import Concepts
from invert_jax.core import exact, randomness
from invert_jax.core.search.beam import formulas_of
from invert_jax.core.statistics import permutations, tie_patterns
from invert_jax.engine.plan import Plan, plan_search
from invert_jax.engine.ranked import Block
from invert_jax.settings import Options, SearchSettings

# Of what the draws of a pattern depend on beside the settings: how they are made.
VERSION = 2
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
        file = None if output is None else Path(output) / f"{key}.npz"
        on_disk = None if file is None else disk.load_arrays(file)
        found = _drawn.get(key, on_disk)
        if found is None:
            found = self._draw(pattern, step)
        else:
            step(self.num_draws)
        if file is not None and on_disk is None:
            disk.save_arrays(file, found)
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
        sums, supports = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        found = {"sums": sums, "supports": supports}
        smallest, largest = self.settings.bounds(self.concepts.num_samples)
        if table is None or smallest > largest:
            return found
        plan = plan_search(table, self.settings, self.options, count=self.num_draws)
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            blocks = self._meaningless(pattern, plan, threads)
            for numbers, start in plan.blocks.run(plan.program, blocks):
                best = formulas_of(numbers[:, :, 0])
                filled = best.num_positives > 0
                best_sums = np.where(filled, exact.to_int64(best.sums), 0)
                stop = start + len(best_sums)
                negative = self.settings.sign == "negative"
                sums[start:stop] = -best_sums if negative else best_sums
                supports[start:stop] = best.num_positives
                step(stop - start)
        return found

    def _meaningless(
        self, pattern: tie_patterns.Pattern, plan: Plan, threads: ThreadPoolExecutor
    ) -> Iterator[tuple[Block, int]]:
        """Blocks of meaningless neurons with such ties, and where they start."""
        groups = np.reshape(pattern, (-1, 2)).astype(np.int64)
        midranks = tie_patterns.midranks_of(
            groups, num_samples=self.concepts.num_samples
        )
        ranker = plan.blocks.ranker
        rows = ranker.row_of_sample
        row_counts = np.bincount(rows, minlength=ranker.num_rows)
        seed = (*self.seed, *groups.ravel().tolist())

        def draw_one(draw: int) -> np.ndarray:
            generator = randomness.draw_generator(seed, draw)
            sums = permutations.permuted_row_sums(midranks, rows, row_counts, generator)
            return ranker.limbs_of(sums)

        for start in range(0, self.num_draws, plan.size):
            draws = range(start, min(start + plan.size, self.num_draws))
            weights = ranker.no_weights(plan.size)
            weights[: len(draws)] = list(threads.map(draw_one, draws))
            yield Block(weights, np.ones(len(draws), bool)), start


def _num_bytes() -> int:
    """Size of all draws in memory."""
    return sum(array.nbytes for each in _drawn.values() for array in each.values())
