"""Activations from a file that the user has: `.npy`, `.npz`, or a store."""

import os
import zipfile
from pathlib import Path

import numpy as np

from invert_jax.activations.array import Activations

ABOUT_LAYERS = ("names", "ids")
USUAL_NAMES = ("activations", "values")


def read_activations(path: str | os.PathLike) -> Activations | dict[str, Activations]:
    """Read activations; an `.npy` file is mapped into memory, not read at once.

    An `.npz` file holds `activations` [samples, neurons], maybe `names` of the neurons
    and `ids` of the samples; or one matrix per layer under the names of the layers,
    maybe with `ids`. Anything else is opened as a store of activations. Nothing is
    unpickled.

    Args:
        path: A file ending in .npy or .npz, or a store.

    Returns:
        One layer, or a dict of them.

    Raises:
        FileNotFoundError: If there is nothing at `path`.
        ValueError: If the file is cut short, damaged, pickled, or no activations.
        TypeError: If the activations are not real numbers.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"`path` must be activations; {path} does not exist.")
    if path.suffix == ".npy":
        return Activations(_load(path, mmap_mode="r"), layer=path.stem)
    if path.suffix == ".npz":
        return _from_arrays(_load_all(path), path)
    from invert_jax.activations.store import open_store

    return dict(open_store(path))


def _load(path: Path, mmap_mode=None):
    """What `np.load` gives, or a clear error."""
    try:
        return np.load(path, mmap_mode=mmap_mode, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} cannot be read as {path.suffix[1:]}: {error}. It is cut short, "
            "damaged or pickled; save it again by NumPy."
        ) from error


def _load_all(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an npz file."""
    loaded = _load(path)
    if isinstance(loaded, np.ndarray):
        raise ValueError(f"{path} is an npy file; its name must end in .npy.")
    try:
        with loaded:
            return dict(loaded)
    except Exception as error:  # damage shows in each member in its own way
        raise ValueError(
            f"{path} cannot be read as npz: {error}. It is cut short, damaged or "
            "pickled; save it again by NumPy."
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
