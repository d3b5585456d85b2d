"""One layer to explain: its blocks searched, kept on disk while it runs, assembled."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Int

from invert_jax import version
from invert_jax.activations.array import Activations
from invert_jax.concepts.synonyms import Searched
from invert_jax.concepts.table import Concepts
from invert_jax.core import exact
from invert_jax.core.search.beam import PAD
from invert_jax.core.search.search import Found
from invert_jax.core.statistics.tie_patterns import NUM_GROUPS
from invert_jax.engine import resuming
from invert_jax.engine.arguments import read_block
from invert_jax.engine.holdout_scores import held_out_scores
from invert_jax.engine.holdout_split import Split
from invert_jax.engine.plan import plan_search, spans_of
from invert_jax.engine.ranked import Ranked
from invert_jax.explanations.explanations import Explanations
from invert_jax.progress import progress_bar
from invert_jax.settings import Options, SearchSettings


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

    def explanations(self) -> Explanations:
        """Search all blocks, or take those done before from the disk."""
        empty = self._empty()
        smallest, largest = self.settings.bounds(self.concepts.num_samples)
        table = self.searched.table if smallest <= largest else None
        blocks = self._constants() if table is None else self._blocks(table)
        with progress_bar(
            f"explain {self.layer.layer}".strip(),
            len(self.neurons),
            things="neurons",
            show=self.options.progress,
        ) as advance:
            for start, block in blocks:
                stop = start + len(block["tie_sums"])
                for name, values in block.items():
                    getattr(empty, name)[start:stop] = values
                advance(stop - start)
        if self.split is not None:
            held_out = held_out_scores(empty, self.layer, self.split)
            empty = replace(empty, held_out=held_out)
        if self.folder is not None:
            empty.save(self.folder)
            resuming.remove_parts(self._parts_folder)
        return empty

    @property
    def _parts_folder(self) -> Path:
        """Where finished blocks wait, beside the folder of the result."""
        assert self.folder is not None
        return self.folder.with_name(f"{self.folder.name}.{resuming.FOLDER}")

    def _read(self, start: int, stop: int) -> np.ndarray:
        return read_block(self.layer, self.neurons[start:stop], self.samples)

    def _constants(self) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
        """Nothing but which neurons are constant, where no formula is possible."""
        for start in range(0, len(self.neurons), 256):
            block = self._read(start, start + 256)
            constant = (block == block[:1]).all(0)
            yield start, {"is_constant": constant, "tie_sums": np.zeros(len(constant))}

    def _blocks(self, table: Concepts) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
        """The start and the arrays of each block."""
        blocks, program, size = plan_search(
            table, self.settings, self.options, count=len(self.neurons)
        )
        spans = spans_of(len(self.neurons), size)
        if self.folder is None:
            found = blocks.run(program, self._read, spans, size)
            for (start, _), result in zip(spans, found, strict=True):
                yield start, self._arrays(*result)
        else:
            yield from self._resumable(blocks, program, spans, size)

    def _resumable(self, blocks, program, spans, size):
        """As `_blocks`, kept in parts; each is read back if its key is the same."""
        folder = self._parts_folder
        for start, stop in spans:
            activations = self._read(start, stop)
            key = resuming.part_key(self._key(), activations)
            part = resuming.load_part(folder, key)
            if part is None:
                read = partial(_given, activations)
                (result,) = blocks.run(program, read, [(start, stop)], size)
                part = self._arrays(*result)
                resuming.save_part(folder, key, part)
            yield start, part

    def _key(self) -> str:
        """Hash of what a part depends on besides its activations."""
        described = {
            "concepts": self.concepts.fingerprint(),
            "settings": asdict(self.settings),
            "version": version.VERSION,
        }
        text = json.dumps(described, sort_keys=True, default=float)
        return hashlib.sha256(text.encode()).hexdigest()

    def _arrays(self, found: Found, ranked: Ranked) -> dict[str, np.ndarray]:
        """What was found, in terms of the whole concept table."""
        sums = exact.to_int64(found.sums)
        column, negated = np.divmod(np.asarray(found.literals), 2)
        literals = 2 * self.searched.columns[np.maximum(column, 0)] + negated
        filled = found.num_positives > 0
        return {
            "literals": np.where(found.literals == PAD, PAD, literals),
            "operators": np.where(filled, found.operators, 0),
            "lengths": np.where(filled, found.lengths, 0),
            "rank_sums": -sums if self.settings.sign == "negative" else sums,
            "supports": np.asarray(found.num_positives),
            "tie_sums": ranked.tie_sums,
            "is_constant": ranked.is_constant,
            "tie_groups": ranked.tie_groups,
        }

    def _empty(self) -> Explanations:
        """The explanations before anything is found."""
        settings, count = self.settings, len(self.neurons)
        slots = (count, settings.max_length, settings.beam_size)
        sources = {"concepts": self.concepts.fingerprint()}
        return Explanations(
            neurons=self.neurons,
            neuron_names=tuple(self.layer.names[each] for each in self.neurons),
            concept_names=self.concepts.names,
            literals=np.full((*slots, settings.max_length), PAD, np.int32),
            operators=np.zeros(slots, np.int32),
            lengths=np.zeros(slots, np.int32),
            rank_sums=np.zeros(slots, np.int64),
            supports=np.zeros(slots, np.int64),
            tie_sums=np.zeros(count),
            is_constant=np.zeros(count, bool),
            tie_groups=np.zeros((count, NUM_GROUPS, 2), np.int64),
            num_samples=self.concepts.num_samples,
            settings=settings,
            synonyms=self.searched.synonyms,
            left_out=self.searched.left_out,
            layer=self.layer.layer,
            sources=sources,
            samples=self.samples,
        )


def _given(activations: np.ndarray, start: int, stop: int) -> np.ndarray:
    """What was read before."""
    del start, stop
    return activations
