"""Write activations to a store while they are collected.

Rows wait in memory until they fill a file of the array. A file is replaced as a whole,
and the record after it, so a collection that is killed goes on from the last record.
"""

import errno
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jaxtyping import Shaped

from invert_jax.activations.array import Activations
from invert_jax.activations.batches import FullBatch, size_of
from invert_jax.activations.collecting.fingerprint import SampleFingerprint
from invert_jax.activations.collecting.running import Numbers, PooledLayer, rows
from invert_jax.activations.collecting.store_layout import planned_layers
from invert_jax.activations.store.format import (
    SAMPLES,
    StoredLayer,
    StoreRecord,
    digests_of_ids,
    empty_drafts,
    open_array,
    open_root,
    read_ids,
    read_record,
    read_stamped_record,
    readable,
    replace_record,
    write_ids,
)
from invert_jax.activations.store.opening import open_store
from invert_jax.datasets.batch import Batch

if TYPE_CHECKING:
    import tensorstore

FLUSH_SECONDS = 30.0


class StoreWriter:
    """A store that grows batch by batch; one that exists already goes on."""

    def __init__(
        self,
        path: str | os.PathLike,
        plans: Mapping[str, PooledLayer],
        shapes: Mapping[str, Numbers],
        made_of: dict[str, str],
    ) -> None:
        self.path, self.plans = path, plans
        self.root, self.name = open_root(path), uuid.uuid4().hex
        layers = planned_layers(plans, shapes)
        new = StoreRecord(False, 0, layers, {}, made_of, writer=self.name)
        empty_drafts(path)
        record = _found_or_made(self.root, path, new)
        refuse_stale(record, made_of, path)
        self.record = record
        self.appenders = {
            layer.name: Appender(self.root, layer) for layer in record.layers
        }
        self.known_ids = read_ids(self.root, record, SAMPLES)
        self.waiting_ids: dict[str, list[np.ndarray]] = {}
        self.inputs = SampleFingerprint()
        self.num_samples = record.num_samples
        self.pending: tuple[list, StoreRecord] | None = None
        self.flushed = time.monotonic()

    def check_known(self, batch: Batch, start: int) -> None:
        """Refuses samples that are not those the store already has."""
        ids, stop = batch.ids, start + size_of(batch)
        if (ids is None) != (self.known_ids is None):
            raise ValueError(
                f"`batches` must have ids if the store {self.path} has, and none if it "
                "has none."
            )
        if ids is None or self.known_ids is None:
            self.inputs.update((batch.inputs, batch.where))
            if stop == self.num_samples:
                refuse_other_inputs(self.record, self.inputs, self.path)
            return
        known = self.known_ids[start:stop]
        if not np.array_equal(ids, known):
            place = int(np.argmax(ids != known))
            raise ValueError(
                "`batches` must hold the samples of the store, in the same order; got "
                f"id {ids[place].item()!r} for sample {start + place}, where "
                f"{self.path} has {known[place].item()!r}. Choose another `store`."
            )

    def add(self, batch: FullBatch, numbers: Mapping[str, Numbers]) -> None:
        """Append one batch to every layer."""
        ids, num_samples = batch.ids, batch.num_samples
        if ids is not None:
            self.waiting_ids.setdefault(SAMPLES, []).append(ids)
        else:
            given = (batch.inputs, batch.where)
            self.inputs.update(jax.tree.map(lambda leaf: leaf[:num_samples], given))
        of_positions: dict[str, np.ndarray] = {}
        for name, plan in self.plans.items():
            values, of_rows = rows(plan, numbers[name], ids, self.num_samples)
            appender = self.appenders[name]
            appender.add(values)
            if plan.positions and of_rows is not None:
                of_positions[appender.layer.ids] = of_rows
        for name, of_rows in of_positions.items():
            self.waiting_ids.setdefault(name, []).append(of_rows)
        self.num_samples += num_samples
        full = any(appender.is_full for appender in self.appenders.values())
        if full or time.monotonic() - self.flushed > FLUSH_SECONDS:
            self.flush(complete=False)

    def flush(self, *, complete: bool) -> None:
        """Starts to write what waits, and records what was started before."""
        with writable(self.path, self.record.num_samples):
            self._settle()
            if self.record.writer != self.name:
                self._replace_record(self.record._replace(writer=self.name))
            writes = [
                write for each in self.appenders.values() for write in each.flush()
            ]
            parts, digests = self._write_ids()
            layers = tuple(each.layer for each in self.appenders.values())
            record = self.record._replace(
                complete=complete,
                num_samples=self.num_samples,
                layers=layers,
                id_parts=parts,
                id_digests=digests,
                inputs=self.inputs.hexdigest(),
            )
            self.pending = (writes, record)
        self.flushed = time.monotonic()

    def _settle(self) -> None:
        if self.pending is not None:
            writes, record = self.pending
            for write in writes:
                write.result()
            self._replace_record(record)
            self.pending = None

    def _replace_record(self, record: StoreRecord) -> None:
        """The record, if no other run has written one since."""
        there, stamp = read_stamped_record(self.root, self.path)
        if there != self.record or not replace_record(self.root, record, stamp):
            raise ValueError(
                f"`store` must be written by one collection at a time; another has "
                f"written to {self.path}. Wait for it, then run this one again."
            )
        self.record = record

    def _write_ids(self) -> tuple[dict[str, list[int]], dict[str, list[str]]]:
        """Writes the ids that wait; where all parts end, and their digests."""
        last = self.record
        parts = {name: list(ends) for name, ends in last.id_parts.items()}
        digests = {name: digests_of_ids(self.root, last, name) for name in parts}
        for name, waiting in self.waiting_ids.items():
            ids = np.concatenate(waiting)
            ends = parts.setdefault(name, [])
            start = ends[-1] if ends else 0
            digest = write_ids(self.root, name, start, ids)
            digests.setdefault(name, []).append(digest)
            ends.append(start + len(ids))
        self.waiting_ids = {}
        return parts, digests

    def keep(self) -> None:
        """Writes what came in before an error, as far as that can be written."""
        if self.pending is None and self.num_samples == self.record.num_samples:
            return
        with suppress(Exception):
            self.flush(complete=False)
            self._settle()

    def activations(self) -> dict[str, Activations]:
        """Writes the rest and opens the store."""
        if not self.record.complete or self.num_samples > self.record.num_samples:
            self.flush(complete=True)
            with writable(self.path, self.record.num_samples):
                for appender in self.appenders.values():
                    appender.trim()
                self._settle()
        return open_store(self.path)


class Appender:
    """The array of one layer and the rows that wait for it.

    The rows of a file that is not full yet are kept, to be written again with it.
    """

    def __init__(self, root: "tensorstore.KvStore", layer: StoredLayer) -> None:
        self.layer = layer
        self.array = open_array(root, layer)
        self.start = layer.num_rows // layer.chunk[0] * layer.chunk[0]
        self.waiting: list[np.ndarray] = []
        if self.start < layer.num_rows:
            with readable(layer.name):
                self.waiting = [self.array[self.start : layer.num_rows].read().result()]

    @property
    def num_rows(self) -> int:
        """Rows written and waiting."""
        return self.start + sum(map(len, self.waiting))

    @property
    def is_full(self) -> bool:
        """Whether the rows that wait fill a file."""
        return self.num_rows - self.start >= self.layer.chunk[0]

    def add(self, values: Shaped[np.ndarray, "samples neurons"]) -> None:
        """Appends rows."""
        self.waiting.append(values.astype(self.layer.dtype, copy=False))

    def flush(self) -> list[Any]:
        """Starts to write the rows that wait; what comes back says when it is done."""
        num_rows = self.num_rows
        if num_rows == self.layer.num_rows:
            return []
        data = np.concatenate(self.waiting)
        self.array = self.array.resize(
            exclusive_max=[max(num_rows, self.array.shape[0]), self.layer.num_neurons]
        ).result()
        write = self.array[self.start : num_rows].write(data)
        kept = num_rows // self.layer.chunk[0] * self.layer.chunk[0]
        self.waiting = [data[kept - self.start :].copy()] if kept < num_rows else []
        self.start = kept
        self.layer = self.layer._replace(num_rows=num_rows)
        return [write]

    def trim(self) -> None:
        """Cuts off rows that a killed run left beyond the last one."""
        self.array.resize(
            exclusive_max=[self.layer.num_rows, self.layer.num_neurons]
        ).result()


def refuse_stale(
    record: StoreRecord, new: Mapping[str, str], path: str | os.PathLike
) -> None:
    """Refuses a store that was made of something else."""
    old, cure = record.made_of, "Choose another `store`, or delete this one."
    if not record.complete:
        cure = (
            "Choose another `store`: this one is not finished, and its collection may "
            "be under way."
        )
    for name, value in new.items():
        if name != "jax" and old.get(name) != value:
            what = {
                "variables": "The model's variables differ.",
                "program": "The model, its pooling or its `where` differ"
                + (
                    "."
                    if old.get("jax") == new["jax"]
                    else f", or only seem to under another jax ({old.get('jax')})."
                ),
            }.get(name, f"`{name}` was {old.get(name)!r} and is {value!r}.")
            raise ValueError(
                f"`store` must be new, or made by the same collection; {path} was not. "
                f"{what} {cure}"
            )


def refuse_other_inputs(
    record: StoreRecord, inputs: SampleFingerprint, path: str | os.PathLike
) -> None:
    """Refuses samples without ids that are not those a store was made of."""
    if record.inputs != inputs.hexdigest():
        raise ValueError(
            "`batches` must hold the samples of the store, in the same order; the "
            f"first {record.num_samples}, which have no ids, differ from those that "
            f"{path} was made of. Choose another `store`."
        )


def _found_or_made(
    root: "tensorstore.KvStore", path: str | os.PathLike, new: StoreRecord
) -> StoreRecord:
    """The record that is there, or the new one: of two runs one makes it."""
    record, stamp = read_stamped_record(root, path)
    if record is not None:
        return record
    try:
        _refuse_foreign(root, path)
    except ValueError:
        # What another run has made meanwhile is not foreign.
        record = read_record(root, path)
        if record is None:
            raise
        return record
    with writable(path, 0):
        if replace_record(root, new, stamp):
            return new
    record = read_record(root, path)
    if record is None:
        raise ValueError(f"`store` {path} was removed while it was made. Run again.")
    return record


def _refuse_foreign(root: "tensorstore.KvStore", path: str | os.PathLike) -> None:
    folder = Path(path)
    if "://" in str(path):
        foreign = bool(root.list().result())
    elif folder.is_file():
        raise ValueError(f"`store` must be a folder; {path} is a file.")
    else:
        # A run killed at its first record leaves a lock.
        names = [each.name for each in folder.iterdir()] if folder.is_dir() else []
        foreign = any(not name.endswith(".__lock") for name in names)
    if foreign:
        raise ValueError(
            f"`store` must be an empty folder or a store; {path} holds other files."
        )


@contextmanager
def writable(path: str | os.PathLike, num_samples: int) -> Iterator[None]:
    """Says what to do when the disk is full."""
    try:
        yield
    except (ValueError, OSError) as error:
        if "RESOURCE_EXHAUSTED" in str(error) or "No space left" in str(error):
            raise OSError(
                errno.ENOSPC,
                f"No space left for the store {path}. Free some and run the same "
                f"`collect` again: it goes on after {num_samples} samples",
            ) from error
        if "PERMISSION_DENIED" in str(error):
            raise PermissionError(
                errno.EACCES, f"`store` must be a place to write to; {path} is not"
            ) from error
        raise
