"""Open activations that lie on disk, as a store or as a file."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from invert_jax import disk
from invert_jax.activations.array import Activations, Matrix
from invert_jax.activations.pooling import neuron_names
from invert_jax.activations.store.format import (
    RECORD,
    StoredLayer,
    open_array,
    open_root,
    read_ids,
    read_record,
    readable,
)

if TYPE_CHECKING:
    import tensorstore

ABOUT_LAYERS = ("names", "ids")
USUAL_NAMES = ("activations", "values")


def read_activations(path: str | os.PathLike) -> Activations | dict[str, Activations]:
    """Read activations; those of a large file or a store when they are needed.

    An `.npz` file holds `activations` [samples, neurons], maybe `names` of the neurons
    and `ids` of the samples; or one matrix per layer under the names of the layers,
    maybe with `ids`. Anything else is opened by `open_store`. Nothing is unpickled.

    Args:
        path: A file ending in .npy, .npz or .h5; or a store, by its folder or address.

    Returns:
        The one layer of a file, or a dict of layers.

    Raises:
        FileNotFoundError: If there is nothing at `path`.
        ValueError: If the file is cut short, damaged, pickled, or no activations.
        TypeError: If the activations are not real numbers.
    """
    if "://" in str(path):
        return open_store(path)
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"`path` must be activations; {path} does not exist.")
    if not (path.is_file() or path.is_dir()):
        raise ValueError(f"`path` must be a file or a folder; {path} is a pipe or so.")
    if path.suffix == ".npz":
        return _from_arrays(_load_all(path), path)
    if path.suffix == ".npy":
        with _whole(path):
            values = open_npy(path)
        return Activations(values, layer=_stem(path))
    if path.suffix in (".h5", ".hdf5"):
        return Activations(open_hdf5(path), layer=_stem(path))
    if path.is_file():
        raise ValueError(
            "`path` must be a file ending in .npy, .npz or .h5, or a store; got the "
            f"file {path}."
        )
    return open_store(path)


def _stem(path: Path) -> str:
    """The name of a file as the name of a layer, which UTF-8 must hold."""
    return path.stem.encode("utf-8", "replace").decode()


def _load_all(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an npz file."""
    with _whole(path):
        loaded = np.load(path, allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        raise ValueError(f"{path} is an npy file; its name must end in .npy.")
    with _whole(path), loaded:
        disk.check_members(path)
        return dict(loaded)


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    """Says which file cannot be read, and why it may be."""
    try:
        yield
    except Exception as error:  # damage shows in each member in its own way
        raise ValueError(
            f"{path} cannot be read as {path.suffix[1:]}: {error}. It is cut short, "
            "damaged or pickled; save it again by NumPy."
        ) from error


def _from_arrays(
    arrays: dict[str, np.ndarray], path: Path
) -> Activations | dict[str, Activations]:
    """The layer, or the layers, among the arrays of a file."""
    ids = arrays.get("ids")
    layers = {name: each for name, each in arrays.items() if name not in ABOUT_LAYERS}
    if not layers:
        raise ValueError(
            f"{path} must hold `activations` [samples, neurons] or a matrix per layer; "
            f"got {', '.join(arrays) or 'nothing'}."
        )
    if len(layers) > 1:
        return {
            name: Activations(values, ids=ids, layer=name)
            for name, values in layers.items()
        }
    ((name, values),) = layers.items()
    layer = _stem(path) if name in USUAL_NAMES else name
    names = arrays["names"].tolist() if "names" in arrays else ()
    return Activations(values, names, ids=ids, layer=layer)


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
        return {_stem(file): Activations(open_npy(file), layer=_stem(file))}
    if file.suffix in (".h5", ".hdf5") and not file.is_dir():
        return {_stem(file): Activations(open_hdf5(file), layer=_stem(file))}
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
    ids = {name: read_ids(root, record, name) for name in lists}
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

    def __init__(self, root: "tensorstore.KvStore", layer: StoredLayer) -> None:
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
