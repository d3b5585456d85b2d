"""One layer to explain: its blocks searched, kept on disk while it runs, assembled."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from invert_jax import version
from invert_jax.activations.array import Activations
from invert_jax.activations.reading import read_blocks
from invert_jax.concepts.synonyms import Searched
from invert_jax.concepts.table import Concepts
from invert_jax.core import exact
from invert_jax.core.search.beam import PAD, formulas_of
from invert_jax.core.statistics.tie_patterns import NUM_GROUPS
from invert_jax.engine import resuming
from invert_jax.engine.blocks import CPU_BLOCK
from invert_jax.engine.holdout_scores import held_out_scores
from invert_jax.engine.holdout_split import Split
from invert_jax.engine.plan import plan_search
from invert_jax.engine.ranked import Block, Ties
from invert_jax.engine.resuming import Parts
from invert_jax.explanations.explanations import Explanations
from invert_jax.explanations.panel import Panel
from invert_jax.explanations.panel_scores import Samples, panel_of
from invert_jax.progress import progress_bar
from invert_jax.settings import Options, SearchSettings

# Takes the start of a block and its arrays.
Keep = Callable[[int, dict[str, np.ndarray]], None]


@dataclass(frozen=True)
class Job:
    """A layer, the concepts it is explained by, and how.

    Attributes:
        layer: The activations of all samples.
        neurons: Those to explain.
        samples: Those that count; None for all.
        concepts: All concepts, of the samples that count.
        searched: The columns to search.
        settings: What to search for.
        options: How to run.
        folder: Where to keep what is done; None for nowhere.
        split: What to judge the formulas on; None for nothing.
        precision_at: How many samples are the highest, for a panel; None for none.
        places: Where the inputs come from, for the record.
    """

    layer: Activations
    neurons: Int[np.ndarray, " neurons"]
    samples: Int[np.ndarray, " kept"] | None
    concepts: Concepts
    searched: Searched
    settings: SearchSettings
    options: Options
    folder: Path | None
    split: Split | None = None
    precision_at: int | None = None
    places: Mapping[str, str] = field(default_factory=dict)

    def explanations(self) -> Explanations:
        """Search all blocks, or take those done before from the disk."""
        arrays = self._no_formulas()
        smallest, largest = self.settings.bounds(self.concepts.num_samples)
        parts = resuming.parts_of(self.folder, self._run_key())
        with progress_bar(
            f"explain {self.layer.layer}".strip(),
            len(self.neurons),
            things="neurons",
            show=self.options.progress,
        ) as advance:

            def keep(start: int, block: dict[str, np.ndarray]) -> None:
                stop = start + len(block["is_constant"])
                for name, values in block.items():
                    arrays[name][start:stop] = values
                advance(stop - start)

            if self.searched.table is None or smallest > largest:
                self._find_constants(keep)
            else:
                self._search(self.searched.table, parts, keep)
        explanations = self._with_names(arrays)
        if self.split is not None:
            held_out = held_out_scores(explanations, self.layer, self.split)
            explanations = replace(explanations, held_out=held_out)
        if self.precision_at is not None:
            explanations = replace(explanations, panel=self._panel(explanations))
        if self.folder is not None:
            explanations.save(self.folder)
            parts.remove()
            resuming.remove_older(self.folder)
        return explanations

    def _panel(self, explanations: Explanations) -> Panel:
        """Other metrics of the labels."""
        samples, split = self.samples, self.split
        if samples is None:
            samples = np.arange(self.concepts.num_samples)
        assert self.precision_at is not None
        return panel_of(
            explanations,
            self.layer,
            Samples(samples, self.concepts),
            None if split is None else Samples(split.reported, split.concepts),
            precision_at=self.precision_at,
            progress=self.options.progress,
        )

    def _run_key(self) -> str:
        """Hash of what a part depends on besides its activations."""
        described = {
            "concepts": self.concepts.fingerprint(),
            "settings": asdict(self.settings),
            "version": version.VERSION,
        }
        text = json.dumps(described, sort_keys=True, default=float)
        return hashlib.sha256(text.encode()).hexdigest()

    def _find_constants(self, keep: Keep) -> None:
        """Nothing but which neurons are constant, where no formula is possible."""
        for start, block in self._read(CPU_BLOCK):
            keep(start, {"is_constant": (block == block[:1]).all(0)})

    def _search(self, table: Concepts, parts: Parts, keep: Keep) -> None:
        """Search the blocks that are not on the disk."""
        plan = plan_search(table, self.settings, self.options, count=len(self.neurons))
        with ThreadPoolExecutor(os.cpu_count()) as threads:

            def ranked_blocks() -> Iterator[tuple[Block, tuple[int, str, Ties]]]:
                for start, activations in self._read(plan.size):
                    key = parts.key_of(activations)
                    done = parts.load(key)
                    if done is not None:
                        keep(start, done)
                        continue
                    block, ties = plan.blocks.ranker.rank(
                        activations, plan.size, threads
                    )
                    yield block, (start, key, ties)

            for found, (start, key, ties) in plan.blocks.run(
                plan.program, ranked_blocks()
            ):
                arrays = self.arrays_of(found, ties)
                parts.save(key, arrays)
                keep(start, arrays)

    def _read(self, size: int) -> Iterator[tuple[int, np.ndarray]]:
        return read_blocks(self.layer, self.neurons, self.samples, size)

    def arrays_of(
        self, numbers: Int[np.ndarray, "neurons steps beam columns"], ties: Ties
    ) -> dict[str, np.ndarray]:
        """What was found, in terms of the whole concept table."""
        found = formulas_of(numbers)
        filled = found.num_positives > 0
        lengths = np.where(filled, found.lengths, 0)
        sums = np.where(filled, exact.to_int64(found.sums), 0)
        column, negated = np.divmod(found.literals, 2)
        literals = 2 * self.searched.columns[np.maximum(column, 0)] + negated
        is_literal = np.arange(literals.shape[-1]) < lengths[..., None]
        return {
            "literals": np.where(is_literal, literals, PAD),
            "operators": np.where(filled, found.operators, 0),
            "lengths": lengths,
            "rank_sums": -sums if self.settings.sign == "negative" else sums,
            "supports": np.asarray(found.num_positives),
            **ties._asdict(),
        }

    def _no_formulas(self) -> dict[str, Any]:
        """Room for what is found, as it is where nothing is."""
        settings, count = self.settings, len(self.neurons)
        slots = (count, settings.max_length, settings.beam_size)
        return {
            "literals": np.full((*slots, settings.max_length), PAD, np.int32),
            "operators": np.zeros(slots, np.int32),
            "lengths": np.zeros(slots, np.int32),
            "rank_sums": np.zeros(slots, np.int64),
            "supports": np.zeros(slots, np.int64),
            "tie_sums": np.zeros(count),
            "is_constant": np.zeros(count, bool),
            "tie_groups": np.zeros((count, NUM_GROUPS, 2), np.int64),
        }

    def _with_names(self, arrays: dict[str, Any]) -> Explanations:
        """The explanations of what was found."""
        return Explanations(
            **arrays,
            neurons=self.neurons,
            neuron_names=tuple(self.layer.names[neuron] for neuron in self.neurons),
            concept_names=self.concepts.names,
            num_samples=self.concepts.num_samples,
            settings=self.settings,
            synonyms=self.searched.synonyms,
            left_out=self.searched.left_out,
            layer=self.layer.layer,
            sources={"concepts": self.concepts.fingerprint(), **self.places},
            samples=self.samples,
        )
