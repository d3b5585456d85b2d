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

from invert_jax.activations.array import Activations, Matrix
from invert_jax.activations.pooling import neuron_names

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


class Record(NamedTuple):
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


def open_store(
    path: str | os.PathLike, *, partial: bool = False
) -> dict[str, Activations]:
    """The layers of a store, read from disk where and when they are needed.

    Args:
        path: A store that `collect` wrote; or a `.npy` file of [samples, neurons]; or
            an HDF5 file with a data set `Y` of that shape (extra `hdf5`).
        partial: Whether a collection that has not come to its end is accepted, with
            the samples it has.

    Returns:
        Activations by layer; a single file's layer has the name of the file.
    """
    file = Path(path)
    if file.suffix == ".npy" and not file.is_dir():
        return {file.stem: Activations(open_npy(file), layer=file.stem)}
    if file.suffix in (".h5", ".hdf5") and not file.is_dir():
        return {file.stem: Activations(open_hdf5(file), layer=file.stem)}
    root = open_root(path)
    record = read_record(root, path)
    if record is None:
        raise FileNotFoundError(
            f"`path` must be a store of activations; {path} has no {RECORD}."
        )
    if not (record.complete or partial):
        raise ValueError(
            f"`path` must be a finished store; {path} was stopped after "
            f"{record.num_samples} samples. Run the same `collect` again to finish it, "
            "or read what there is by partial=True."
        )
    lists = {layer.ids for layer in record.layers}
    ids = {name: read_ids(root, name, record.id_parts) for name in lists}
    return {
        layer.name: Activations(
            StoredMatrix(root, layer),
            neuron_names(tuple(layer.shape), layer.pool),
            ids=ids[layer.ids],
            layer=layer.name,
        )
        for layer in record.layers
    }


class StoredMatrix:
    """A layer's array on disk; slices are read when they are taken."""

    def __init__(self, root: ts.KvStore, layer: StoredLayer) -> None:
        self.layer = layer
        self.shape = (layer.num_rows, layer.num_neurons)
        self.dtype = np.dtype(layer.dtype)
        self.array = open_array(root, layer)

    def __getitem__(self, index: Any) -> np.ndarray:
        # TensorStore takes no slice beyond the end, and none that counts from there.
        parts = index if isinstance(index, tuple) else (index,)
        limits = zip(parts, self.shape, strict=False)
        inside = tuple(
            slice(*part.indices(length)) if isinstance(part, slice) else part
            for part, length in limits
        )
        if any(isinstance(part, slice) and part.step < 0 for part in inside):
            return self[:, :][index]
        if any(isinstance(part, slice) and part.start >= part.stop for part in inside):
            nothing = np.broadcast_to(np.zeros((), self.dtype), self.shape)
            return nothing[index].copy()
        with readable(self.layer.name):
            return self.array[: self.shape[0]][inside].read().result()


def open_npy(path: Path) -> Matrix:
    """The array of a `.npy` file, mapped into memory."""
    if not path.exists():
        raise FileNotFoundError(f"`path` must be a .npy file; there is no {path}.")
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(
            f"`path` must be a whole .npy file of numbers; {path} is not: {error}"
        ) from error


def open_hdf5(path: Path) -> Matrix:
    """The data set `Y` of an HDF5 file, as the reference implementation writes it."""
    try:
        import h5py
    except ImportError as error:
        raise ImportError(
            "HDF5 files need h5py: pip install 'invert_jax[hdf5]'."
        ) from error
    if not path.exists():
        raise FileNotFoundError(f"`path` must be an HDF5 file; there is no {path}.")
    try:
        return h5py.File(path, "r")["Y"]
    except OSError as error:
        raise ValueError(
            f"`path` must be a whole HDF5 file; {path} is not: {error}"
        ) from error
    except KeyError as error:
        raise ValueError(
            f"`path` must be an HDF5 file with a data set 'Y'; {path} has none."
        ) from error


def open_root(path: str | os.PathLike) -> ts.KvStore:
    """The place of a store: a folder, or the address of one."""
    text = str(path)
    if "://" in text:
        return ts.KvStore.open(text.rstrip("/") + "/").result()
    folder = f"{Path(text).absolute()}/"
    return ts.KvStore.open({"driver": "file", "path": folder}).result()


def read_record(root: ts.KvStore, path: str | os.PathLike) -> Record | None:
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
        return Record(layers=layers, **fields)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"The record {RECORD} of {path} is damaged.") from error
    except (TypeError, KeyError) as error:
        raise ValueError(
            f"The record {RECORD} of {path} is damaged, or of another version: {error}."
        ) from error


def write_record(root: ts.KvStore, record: Record) -> None:
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
