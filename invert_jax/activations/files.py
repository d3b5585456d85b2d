"""Activations from what the user has: a file of NumPy, an HDF5 file, or a store."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from invert_jax.activations.array import Activations
from invert_jax.activations.store import open_hdf5, open_npy, open_store

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
    if path.suffix == ".npz":
        return _from_arrays(_load_all(path), path)
    if path.suffix == ".npy":
        with _whole(path):
            values = open_npy(path)
        return Activations(values, layer=path.stem)
    if path.suffix in (".h5", ".hdf5"):
        return Activations(open_hdf5(path), layer=path.stem)
    if path.is_file():
        raise ValueError(
            "`path` must be a file ending in .npy, .npz or .h5, or a store; got the "
            f"file {path}."
        )
    return open_store(path)


def _load_all(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an npz file."""
    with _whole(path):
        loaded = np.load(path, allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        raise ValueError(f"{path} is an npy file; its name must end in .npy.")
    with _whole(path), loaded:
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
    layer = path.stem if name in USUAL_NAMES else name
    names = arrays["names"].tolist() if "names" in arrays else ()
    return Activations(values, names, ids=ids, layer=layer)
