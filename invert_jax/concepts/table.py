"""Concepts: what is true of each sample.

A formula is constant on samples that agree on every concept, so a table is kept as its
distinct rows, in the order in which they first occur, and the row of each sample. A
sparse input is never made dense over the samples.
"""

import dataclasses
import functools
import hashlib
import os
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Int, Int32, Int64
from numpy.typing import ArrayLike

from invert_jax import checks, disk, sample_ids
from invert_jax.concepts import building, saved, table_checks
from invert_jax.concepts.distinct import (
    distinct_sparse_rows,
    group_equal_keys,
    number_by_first_occurrence,
)
from invert_jax.plain_arrays import labels_of, used_labels


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Concepts:
    """A boolean table of samples and concepts, kept as its distinct rows.

    Make one with `from_masks`, `from_labels` or `from_indices`. Every column is kept,
    also those that are constant or equal to another: see `is_constant` and
    `column_groups`.

    Attributes:
        names: Name of each concept, unique.
        rows: The distinct rows, [num_rows, num_concepts], in order of first occurrence.
        row_of_sample: Number of the row of each sample.
        ids: Id of each sample, int64 or str, unique; or None.
        descriptions: A text for each concept, or None.

    >>> concepts = Concepts.from_masks([[1, 0], [1, 1], [1, 0]], ["animal", "dog"])
    >>> concepts.num_samples, concepts.num_concepts, concepts.num_rows
    (3, 2, 2)
    >>> concepts.row_of_sample.tolist(), concepts.row_counts.tolist()
    ([0, 1, 0], [2, 1])
    """

    names: tuple[str, ...]
    rows: sp.csr_array
    row_of_sample: Int32[np.ndarray, " samples"]
    ids: np.ndarray | None = None
    descriptions: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        self.row_of_sample.flags.writeable = False
        for array in (self.rows.data, self.rows.indices, self.rows.indptr):
            array.flags.writeable = False

    @classmethod
    def from_masks(
        cls,
        masks: ArrayLike | sp.sparray | sp.spmatrix,
        names: Iterable[str],
        *,
        descriptions: Iterable[str] | None = None,
        ids: ArrayLike | None = None,
    ) -> "Concepts":
        """Concepts from a table of truth values [samples, concepts].

        `masks` is boolean, or numbers that are all 0 or 1; dense, or scipy.sparse.

        >>> Concepts.from_masks([[True, False], [True, True]], ["a", "b"]).num_rows
        2
        """
        rows, row_of_sample, names = building.rows_of_masks(masks, names)
        ids = used_labels("masks", "ids", labels_of(masks).rows, ids)
        return cls._checked(names, rows, row_of_sample, ids, descriptions)

    @classmethod
    def from_labels(
        cls,
        labels: ArrayLike,
        names: Iterable[str],
        *,
        descriptions: Iterable[str] | None = None,
        ids: ArrayLike | None = None,
    ) -> "Concepts":
        """One concept per class, from the class index of each sample.

        >>> Concepts.from_labels([1, 0, 1], ["cat", "dog"]).masks().astype(int).tolist()
        [[0, 1], [1, 0], [0, 1]]
        """
        rows, row_of_sample, names = building.rows_of_labels(labels, names)
        ids = used_labels("labels", "ids", labels_of(labels).rows, ids)
        return cls._checked(names, rows, row_of_sample, ids, descriptions)

    @classmethod
    def from_indices(
        cls,
        indices: Iterable,
        names: Iterable[str],
        *,
        descriptions: Iterable[str] | None = None,
        ids: ArrayLike | None = None,
    ) -> "Concepts":
        """Concepts from, per sample, the columns that are true.

        The order of the columns of a sample, and repeats among them, do not matter.

        >>> Concepts.from_indices([[1, 0], []], ["a", "b"]).masks().astype(int).tolist()
        [[1, 1], [0, 0]]
        """
        rows, row_of_sample, names = building.rows_of_indices(indices, names)
        ids = used_labels("indices", "ids", labels_of(indices).rows, ids)
        return cls._checked(names, rows, row_of_sample, ids, descriptions)

    @classmethod
    def _checked(
        cls,
        names: tuple[str, ...],
        rows: sp.csr_array,
        row_of_sample: Int32[np.ndarray, " samples"],
        ids: ArrayLike | None,
        descriptions: Iterable[str] | None,
    ) -> "Concepts":
        """The table, once the ids and descriptions are checked."""
        return cls(
            names,
            rows,
            row_of_sample,
            sample_ids.distinct_ids(ids, len(row_of_sample)),
            table_checks.checked_descriptions(descriptions, len(names)),
        )

    @property
    def num_samples(self) -> int:
        """Number of samples."""
        return len(self.row_of_sample)

    @property
    def num_concepts(self) -> int:
        """Number of concepts."""
        return len(self.names)

    @property
    def num_rows(self) -> int:
        """Number of distinct rows."""
        return self.rows.shape[0]

    @functools.cached_property
    def row_counts(self) -> Int64[np.ndarray, " rows"]:
        """Number of samples of each distinct row."""
        return np.bincount(self.row_of_sample, minlength=self.num_rows)

    @functools.cached_property
    def num_positives(self) -> Int64[np.ndarray, " concepts"]:
        """Number of samples of each concept."""
        counts = np.repeat(self.row_counts, np.diff(self.rows.indptr))
        # bincount adds in float64, which is exact below 2^53.
        return np.bincount(self.rows.indices, counts, self.num_concepts).astype(
            np.int64
        )

    @property
    def is_constant(self) -> Bool[np.ndarray, " concepts"]:
        """Which concepts are true of no sample or of all."""
        return (self.num_positives == 0) | (self.num_positives == self.num_samples)

    def column_groups(self) -> Int32[np.ndarray, " concepts"]:
        """For each column the first column equal to it: itself if there is none before.

        >>> concepts = Concepts.from_masks([[1, 0, 1], [0, 1, 0]], ["a", "b", "also a"])
        >>> concepts.column_groups().tolist()
        [0, 1, 0]
        """
        first, group = self._equal_columns
        return first[group].astype(np.int32)

    @functools.cached_property
    def _equal_columns(self) -> tuple[np.ndarray, np.ndarray]:
        transposed = sp.csr_array(self.rows.T)
        transposed.sort_indices()
        return distinct_sparse_rows(transposed)

    @functools.cached_property
    def _column_of_name(self) -> dict[str, int]:
        return {name: column for column, name in enumerate(self.names)}

    def columns(self, names: Iterable[str]) -> Int[np.ndarray, " names"]:
        """The column of each name; an unknown name is an error that names those alike.

        >>> Concepts.from_labels([0, 1], ["cat", "dog"]).columns(["dog"]).tolist()
        [1]
        """
        if isinstance(names, str):
            names = [names]
        names = list(names)
        unknown = [name for name in names if name not in self._column_of_name]
        if unknown:
            alike = get_close_matches(str(unknown[0]), self.names[:20_000], n=3)
            cure = (
                f"did you mean {checks.listed(alike)}?"
                if alike
                else (f"the names begin with {checks.listed(self.names)}.")
            )
            raise ValueError(
                "`names` must be names of concepts; got "
                f"{checks.listed(unknown)}; {cure}"
            )
        return np.array([self._column_of_name[name] for name in names], np.int64)

    def masks(
        self, names: Iterable[str] | None = None
    ) -> Bool[np.ndarray, "samples concepts"]:
        """The dense table, or only the columns of the names, in their order.

        >>> Concepts.from_labels([0, 1], ["cat", "dog"]).masks(["dog"]).tolist()
        [[False], [True]]
        """
        rows = self.rows if names is None else self.rows[:, self.columns(names)]
        return rows.toarray()[self.row_of_sample]

    def take(self, samples: ArrayLike) -> "Concepts":
        """The table of some samples, by a boolean mask [samples] or by their indices.

        Indices may reorder; they may repeat only if there are no ids.

        >>> concepts = Concepts.from_labels([0, 1, 1], ["cat", "dog"], ids=[7, 8, 9])
        >>> concepts.take([2, 0]).ids.tolist()
        [9, 7]
        """
        samples = table_checks.checked_samples(samples, self.num_samples, self.ids)
        first, row_of_sample = number_by_first_occurrence(
            self.row_of_sample[samples], self.num_rows
        )
        rows = self.rows[self.row_of_sample[samples[first]]]
        ids = None if self.ids is None else self.ids[samples]
        return self._checked(self.names, rows, row_of_sample, ids, self.descriptions)

    def align(self, ids: ArrayLike) -> "Concepts":
        """The same table with its samples in the order of the ids, others left out.

        >>> concepts = Concepts.from_labels([0, 1], ["cat", "dog"], ids=["x", "y"])
        >>> concepts.align(["y", "x"]).row_of_sample.tolist()
        [0, 1]
        """
        if self.ids is None:
            raise ValueError("`align` needs a table with ids; got one without.")
        return self.take(sample_ids.positions_of_ids(ids, self.ids))

    def select(self, names: Iterable[str]) -> "Concepts":
        """The table of some concepts, in the order of the names.

        >>> Concepts.from_labels([0, 1, 2], ["a", "b", "c"]).select(["c"]).num_rows
        2
        """
        columns = self.columns(names)
        chosen = table_checks.checked_names(self.names[column] for column in columns)
        descriptions = self.descriptions and [self.descriptions[i] for i in columns]
        rows, row_of_sample = building.merge_rows(
            self.rows[:, columns], self.row_of_sample
        )
        return self._checked(chosen, rows, row_of_sample, self.ids, descriptions)

    def rename(self, names: Mapping[str, str]) -> "Concepts":
        """The same table with other names for some concepts, from old to new.

        >>> table = Concepts.from_labels([0, 1], ["annotation=1", "annotation=2"])
        >>> table.rename({"annotation=2": "building"}).names
        ('annotation=1', 'building')
        """
        self.columns(names)  # an unknown name is an error
        renamed = table_checks.checked_names(
            names.get(name, name) for name in self.names
        )
        return dataclasses.replace(self, names=renamed)

    def with_ids(self, ids: ArrayLike | None) -> "Concepts":
        """The same table with other sample ids, or with none.

        >>> Concepts.from_labels([0, 1], ["cat", "dog"]).with_ids([5, 6]).ids.tolist()
        [5, 6]
        """
        return dataclasses.replace(
            self, ids=sample_ids.distinct_ids(ids, self.num_samples)
        )

    def join(self, other: "Concepts") -> "Concepts":
        """The concepts of both tables, of the same samples in the same order.

        >>> joined = Concepts.from_labels([0, 1], ["cat", "dog"]).join(
        ...     Concepts.from_masks([[True], [True]], ["animal"]))
        >>> joined.names, joined.num_rows
        (('cat', 'dog', 'animal'), 2)
        """
        sample_ids.check_same_samples(
            "`self` and `other`",
            (self.num_samples, other.num_samples),
            (self.ids, other.ids),
            cure="`other.align(self.ids)` reorders `other`; `stack` adds samples.",
        )
        ids = other.ids if self.ids is None else self.ids
        table_checks.check_no_common_names(self.names, other.names)
        pairs = (
            self.row_of_sample.astype(np.int64) * other.num_rows + other.row_of_sample
        )
        first, row_of_sample = group_equal_keys(pairs)
        blocks = [t.rows[t.row_of_sample[first]] for t in (self, other)]
        names = self.names + other.names
        rows = sp.csr_array(sp.hstack(blocks, format="csr"))
        descriptions = self._descriptions_with(other, names)
        return self._checked(names, rows, row_of_sample, ids, descriptions)

    def stack(self, other: "Concepts", *, missing: str = "error") -> "Concepts":
        """The samples of both tables, one after the other.

        Columns are matched by name and keep the order of the first table. A concept
        that only one table knows is an error, or with `missing="absent"` False of all
        samples of the other.

        >>> cats = Concepts.from_masks([[True]], ["cat"])
        >>> dogs = Concepts.from_masks([[True]], ["dog"])
        >>> cats.stack(dogs, missing="absent").masks().astype(int).tolist()
        [[1, 0], [0, 1]]
        """
        names = table_checks.stacked_names(self.names, other.names, missing)
        blocks = [
            building.spread_columns(t.rows, t.names, names) for t in (self, other)
        ]
        rows, row_of_sample = building.merge_rows(
            sp.csr_array(sp.vstack(blocks, format="csr")),
            np.concatenate([self.row_of_sample, other.row_of_sample + self.num_rows]),
        )
        ids = sample_ids.stacked_ids(self.ids, other.ids)
        descriptions = self._descriptions_with(other, names)
        return self._checked(names, rows, row_of_sample, ids, descriptions)

    def _descriptions_with(
        self, other: "Concepts", names: tuple[str, ...]
    ) -> tuple[str, ...] | None:
        """The descriptions of the names from this table or the other."""
        tables = [(table.names, table.descriptions) for table in (self, other)]
        return building.joined_descriptions(names, *tables)

    def save(self, path: str | os.PathLike) -> None:
        """Write the table to one npz file, atomically; `path` is kept as given."""
        disk.write_npz(path, self._arrays())

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Concepts":
        """Read a table that `save` wrote; nothing is unpickled."""
        return cls._checked(*saved.load(path))

    def fingerprint(self) -> str:
        """SHA-256 of the names, the rows, the row of each sample and the ids, in hex.

        It depends on what the table says alone, not on how the table was made.

        >>> masks = Concepts.from_masks([[1, 0], [0, 1]], ["a", "b"])
        >>> labels = Concepts.from_labels([0, 1], ["a", "b"])
        >>> masks.fingerprint() == labels.fingerprint()
        True
        """
        digest = hashlib.sha256()
        for name, array in sorted(self._arrays().items()):
            if name != "descriptions":
                digest.update(f"{name} {array.dtype.str} {array.shape};".encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def _arrays(self) -> dict[str, np.ndarray]:
        return saved.arrays_of(
            self.names, self.rows, self.row_of_sample, self.ids, self.descriptions
        )

    def __repr__(self) -> str:
        """Sizes, what is constant or repeated, and the first names."""
        density = self.num_positives.sum() / self.num_samples / self.num_concepts
        constant = [self.names[i] for i in np.flatnonzero(self.is_constant)]
        num_repeated = self.num_concepts - len(self._equal_columns[0])
        lines = [
            f"Concepts: {self.num_samples:,} samples, {self.num_concepts:,} concepts, "
            f"{self.num_rows:,} distinct rows, {density:.3%} true",
            f"names: {checks.listed(self.names)}",
            f"constant: {checks.listed(constant) or 'none'}; "
            f"equal to an earlier one: {num_repeated:,}",
        ]
        if self.ids is not None:
            lines.append(f"ids: {checks.listed(self.ids[:5].tolist())} …")
        return "\n  ".join(lines)
