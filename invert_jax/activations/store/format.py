"""Activations on disk, larger than memory, read in blocks of neurons.

A store is a folder (or a place such as gs://bucket/folder) with one zarr v3 array per
layer, the ids of the samples, and a record of what is in it and what it was made of.
What the record does not mention is not there: it is written after the data. It has a
digest of itself and of every part of the ids; the arrays have checksums of their own.
"""

import contextlib
import hashlib
import io
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Shaped

from invert_jax import disk
from invert_jax.checks import check_whole

if TYPE_CHECKING:
    import tensorstore

FORMAT = "invert_jax activations 2"
# That of 0.1, without digests, which is still read.
OLDER_FORMAT = "invert_jax activations 1"
RECORD = "invert_jax.json"
SAMPLES = "samples"
DTYPES = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "bfloat16", "float32", "float64"),
)


class StoredLayer(NamedTuple):
    """One layer of a store, as its record has it.

    Attributes:
        name: Name of the layer.
        folder: Where its array is.
        dtype: Type of the numbers.
        num_rows: Samples written so far.
        num_neurons: Number of columns.
        shape: Shape of the layer's output for one input.
        pool: Name of the pooling.
        ids: Which list of ids is that of its rows.
        chunk: Rows and columns of a file, and columns of each piece of it.
    """

    name: str
    folder: str
    dtype: str
    num_rows: int
    num_neurons: int
    shape: Sequence[int]
    pool: str
    ids: str
    chunk: Sequence[int]


class StoreRecord(NamedTuple):
    """What a store holds.

    Attributes:
        complete: Whether the collection came to its end.
        num_samples: Inputs collected so far.
        layers: The layers.
        id_parts: For each list of ids, the rows at which its parts end.
        made_of: Fingerprints and settings of what it was made of.
        inputs: Fingerprint of the inputs collected so far, if they have no ids.
        id_digests: For each list of ids, the digest of each of its parts.
        writer: The run that wrote last: only one writes to a store.
    """

    complete: bool
    num_samples: int
    layers: tuple[StoredLayer, ...]
    id_parts: dict[str, list[int]]
    made_of: dict[str, str]
    inputs: str = ""
    id_digests: dict[str, list[str]] = {}  # noqa: RUF012
    writer: str = ""


def open_root(path: str | os.PathLike) -> "tensorstore.KvStore":
    """The place of a store: a folder, or the address of one."""
    import tensorstore as ts

    text = str(path)
    if "://" in text:
        return ts.KvStore.open(text.rstrip("/") + "/").result()
    folder = f"{Path(text).absolute()}/"
    return ts.KvStore.open({"driver": "file", "path": folder}).result()


def empty_drafts(path: str | os.PathLike) -> None:
    """Empty what killed runs left half written in a folder.

    TensorStore writes a file beside its place, `NAME.__lock`, over what is there, and
    renames it: the end of a longer draft would stay in the file.
    """
    if "://" in str(path):
        return
    for draft in Path(path).rglob("*.__lock"):
        with contextlib.suppress(OSError), draft.open("r+b") as file:
            if disk.lock(file.fileno(), wait=False, ranged=True):
                file.truncate()


def read_record(
    root: "tensorstore.KvStore", path: str | os.PathLike
) -> StoreRecord | None:
    """The record of a store, if there is one."""
    return read_stamped_record(root, path)[0]


def read_stamped_record(
    root: "tensorstore.KvStore", path: str | os.PathLike
) -> tuple[StoreRecord | None, bytes]:
    """The record of a store, and a stamp by which it, or none, is replaced."""
    read = root.read(RECORD).result()
    if read.state == "missing":
        return None, read.stamp.generation
    try:
        fields = dict(json.loads(read.value))
        form = fields.get("format")
        if form not in (FORMAT, OLDER_FORMAT):
            raise ValueError(
                f"`path` must be a store of this version; {path} is of another, or "
                "none."
            )
        digest = fields.pop("digest", None) if form == FORMAT else None
        if form == FORMAT and disk.sealed(fields)["digest"] != digest:
            raise TypeError("it is not what its digest says")
        del fields["format"]
        layers = tuple(StoredLayer(**layer) for layer in fields.pop("layers"))
        record = StoreRecord(layers=layers, **fields)
        _check_record(record)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"The record {RECORD} of {path} is damaged.") from error
    except (TypeError, KeyError, AttributeError, OverflowError) as error:
        raise ValueError(
            f"The record {RECORD} of {path} is damaged, or of another version: {error}."
        ) from error
    return record, read.stamp.generation


def _check_record(record: StoreRecord) -> None:
    """Refuse what no record says; a TypeError tells what."""
    try:
        check_whole("num_samples", record.num_samples, 0)
        for layer in record.layers:
            check_whole("num_rows", layer.num_rows, 0)
            check_whole("num_neurons", layer.num_neurons, 1)
            for size in layer.chunk:
                check_whole("chunk", size, 1)
            ends = record.id_parts.get(layer.ids)
            if ends is not None and (ends or [0])[-1] != layer.num_rows:
                raise ValueError(f"{layer.name!r} has not as many rows as ids")
        if len({layer.name for layer in record.layers}) < len(record.layers):
            raise ValueError("two layers have one name")
        if not all(layer.dtype in DTYPES for layer in record.layers):
            raise ValueError("a layer has an unknown dtype")
    except ValueError as error:
        raise TypeError(str(error)) from error


def replace_record(
    root: "tensorstore.KvStore", record: StoreRecord, stamp: bytes
) -> bool:
    """Write the record, if the one of the stamp is still there; whether it was.

    A file is replaced as a whole, and is on the disk before it takes the name.
    """
    fields = record._asdict() | {"layers": [layer._asdict() for layer in record.layers]}
    text = json.dumps(disk.sealed({"format": FORMAT} | fields), indent=1)
    written = root.write(RECORD, text.encode(), if_equal=stamp).result()
    return bool(written.generation)


def open_array(root: "tensorstore.KvStore", layer: StoredLayer) -> Any:
    """The array of a layer; made, if the layer has no rows yet.

    What is missing from it is an error when it is read, never zeros.
    """
    import tensorstore as ts

    folder = root / f"{layer.folder}/"
    new = layer.num_rows == 0 and folder.read("zarr.json").result().state == "missing"
    spec: dict[str, Any] = {
        "driver": "zarr3",
        "kvstore": folder.spec().to_json(),
        "fill_missing_data_reads": False,
        "store_data_equal_to_fill_value": True,
    }
    if new:
        spec["metadata"] = _array_metadata(layer)
    with readable(layer.name):
        # Two runs may find that there is none: the second opens what the first made.
        array = ts.open(spec, open=True, create=new).result()
        _check_array(array, layer)
        return array


def _check_array(array: Any, layer: StoredLayer) -> None:
    """Refuse an array that is not the one of the record."""
    rows, neurons = array.shape
    found = (neurons, np.dtype(array.dtype.numpy_dtype))
    if found != (layer.num_neurons, np.dtype(layer.dtype)) or rows < layer.num_rows:
        raise ValueError(
            f"it is {rows} x {neurons} of {found[1]}, where the record has "
            f"{layer.num_rows} x {layer.num_neurons} of {layer.dtype}"
        )


def _array_metadata(layer: StoredLayer) -> dict[str, Any]:
    """One file for all neurons of some samples, in pieces of a few neurons."""
    rows, columns, piece = layer.chunk
    little = {"name": "bytes", "configuration": {"endian": "little"}}
    codecs = [little, {"name": "crc32c"}]
    pieces = {"chunk_shape": [rows, piece], "codecs": codecs, "index_codecs": codecs}
    return {
        "shape": [layer.num_rows, layer.num_neurons],
        "data_type": layer.dtype,
        "chunk_grid": {
            "name": "regular",
            "configuration": {"chunk_shape": [rows, columns]},
        },
        "codecs": [{"name": "sharding_indexed", "configuration": pieces}],
    }


def write_ids(
    root: "tensorstore.KvStore",
    name: str,
    start: int,
    ids: Shaped[np.ndarray, " samples"],
) -> str:
    """Writes a part of a list of ids; returns its digest."""
    file = io.BytesIO()
    np.save(file, ids, allow_pickle=False)
    root.write(f"ids/{name}/{start}.npy", file.getvalue()).result()
    return _digest(file.getvalue())


def read_ids(
    root: "tensorstore.KvStore", record: StoreRecord, name: str
) -> Shaped[np.ndarray, " samples"] | None:
    """A list of ids, if there is one."""
    if name not in record.id_parts:
        return None
    with readable(f"ids of {name}"):
        parts = _id_files(root, record, name)
        digests = record.id_digests.get(name)
        if digests is not None and digests != list(map(_digest, parts)):
            raise ValueError("they are not what their digest says")
        loaded = [disk.npy_of(part) for part in parts]
    return np.concatenate(loaded) if loaded else np.zeros(0, np.int64)


def digests_of_ids(
    root: "tensorstore.KvStore", record: StoreRecord, name: str
) -> list[str]:
    """Digest of each part of a list of ids; of one that 0.1 wrote, as it is now."""
    if name in record.id_digests or name not in record.id_parts:
        return list(record.id_digests.get(name, []))
    return list(map(_digest, _id_files(root, record, name)))


def _id_files(
    root: "tensorstore.KvStore", record: StoreRecord, name: str
) -> list[bytes]:
    starts = [0, *record.id_parts[name]][:-1]
    reads = [root.read(f"ids/{name}/{start}.npy") for start in starts]
    return [read.result().value for read in reads]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextmanager
def readable(what: str) -> Iterator[None]:
    """Says what could not be read, and what to do."""
    try:
        yield
    except (ValueError, EOFError) as error:
        raise ValueError(
            f"The store is damaged: {what!r} cannot be read ({error}). Delete the "
            "store and collect it again."
        ) from error
