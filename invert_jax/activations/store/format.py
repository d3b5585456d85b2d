"""Activations on disk, larger than memory, read in blocks of neurons.

A store is a folder (or a place such as gs://bucket/folder) with one zarr v3 array per
layer, the ids of the samples, and a record of what is in it and what it was made of.
What the record does not mention is not there: it is written after the data.
"""

import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorstore as ts
from jaxtyping import Shaped

FORMAT = "invert_jax activations 1"
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
    """

    complete: bool
    num_samples: int
    layers: tuple[StoredLayer, ...]
    id_parts: dict[str, list[int]]
    made_of: dict[str, str]
    inputs: str = ""


def open_root(path: str | os.PathLike) -> ts.KvStore:
    """The place of a store: a folder, or the address of one."""
    text = str(path)
    if "://" in text:
        return ts.KvStore.open(text.rstrip("/") + "/").result()
    folder = f"{Path(text).absolute()}/"
    return ts.KvStore.open({"driver": "file", "path": folder}).result()


def read_record(root: ts.KvStore, path: str | os.PathLike) -> StoreRecord | None:
    """The record of a store, if there is one."""
    read = root.read(RECORD).result()
    if read.state == "missing":
        return None
    try:
        fields = dict(json.loads(read.value))
        if fields.pop("format", None) != FORMAT:
            raise ValueError(
                f"`path` must be a store of this version; {path} is of another, or "
                "none."
            )
        layers = tuple(StoredLayer(**layer) for layer in fields.pop("layers"))
        return StoreRecord(layers=layers, **fields)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"The record {RECORD} of {path} is damaged.") from error
    except (TypeError, KeyError) as error:
        raise ValueError(
            f"The record {RECORD} of {path} is damaged, or of another version: {error}."
        ) from error


def write_record(root: ts.KvStore, record: StoreRecord) -> None:
    """Replaces the record: a temporary file, synchronized and renamed."""
    fields = record._asdict() | {"layers": [layer._asdict() for layer in record.layers]}
    text = json.dumps({"format": FORMAT} | fields, indent=1)
    root.write(RECORD, text.encode()).result()


def open_array(root: ts.KvStore, layer: StoredLayer) -> Any:
    """The array of a layer; made, if the layer has no rows yet.

    What is missing from it is an error when it is read, never zeros.
    """
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
        return ts.open(spec, open=not new, create=new).result()


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
    root: ts.KvStore, name: str, start: int, ids: Shaped[np.ndarray, " samples"]
) -> None:
    """Writes a part of a list of ids."""
    file = io.BytesIO()
    np.save(file, ids, allow_pickle=False)
    root.write(f"ids/{name}/{start}.npy", file.getvalue()).result()


def read_ids(
    root: ts.KvStore, name: str, parts: Mapping[str, Sequence[int]]
) -> Shaped[np.ndarray, " samples"] | None:
    """A list of ids, if there is one."""
    if name not in parts:
        return None
    starts = [0, *parts[name]][:-1]
    with readable(f"ids of {name}"):
        reads = [root.read(f"ids/{name}/{start}.npy") for start in starts]
        files = [io.BytesIO(read.result().value) for read in reads]
        loaded = [np.load(file, allow_pickle=False) for file in files]
    return np.concatenate(loaded) if loaded else np.zeros(0, np.int64)


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
