"""Finished blocks on disk, so that a run that was killed can go on.

A part is one file per block. Its name is a hash of all that its content depends on:
the concepts, the settings, the neurons and their activations. So a part of another run
is never taken for one of this run, and order does not matter.
"""

import contextlib
import hashlib
import re
from pathlib import Path

import numpy as np

from invert_jax.disk import load_arrays, save_arrays

FOLDER = "parts"


def part_key(run_key: str, block: np.ndarray) -> str:
    """Hash of a block of activations within a run."""
    digest = hashlib.blake2b(run_key.encode(), digest_size=16)
    digest.update(repr((block.shape, block.dtype.str, str(block.dtype))).encode())
    digest.update(np.ascontiguousarray(block).view(np.uint8).data)
    return digest.hexdigest()


def save_part(folder: Path, key: str, arrays: dict[str, np.ndarray]) -> None:
    """Write a part."""
    save_arrays(folder / f"{key}.npz", arrays)


def load_part(folder: Path, key: str) -> dict[str, np.ndarray] | None:
    """A part, or None if there is none that can be read whole."""
    return load_arrays(folder / f"{key}.npz")


def remove_parts(folder: Path) -> None:
    """Remove the parts in a folder, and the folder if nothing else is in it."""
    for part in folder.glob("*.npz"):
        if re.fullmatch(r"[0-9a-f]{32}\.npz", part.name):
            part.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()
