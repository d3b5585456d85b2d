"""Finished blocks on disk, so that a run that was killed can go on.

A part is one file per block. Its name is a hash of all that its content depends on:
the concepts, the settings, the neurons and their activations. So a part of another run
is never taken for one of this run, and order does not matter.
"""

import contextlib
import hashlib
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from invert_jax.disk import load_arrays, save_arrays

# Beside the folder of a result; no layer's folder has a "+" in its name.
SUFFIX = "+parts"
# Where releases before kept them, where a layer `block/parts` has its result.
OLDER_SUFFIX = ".parts"
# A part, or a draft of one that a killed run left; 0.1 named those by the process.
OURS = re.compile(r"[0-9a-f]{32}\.npz|\.[0-9a-f]{32}\.npz\.(.*\.part|\d+)")
# Samples whose activations are hashed at a time, of a block that is cut out of a layer.
SAMPLES_TOGETHER = 1024


def parts_of(result: Path | None, run_key: str) -> "Parts":
    """Where the blocks of a run wait whose result goes to a folder, or to none."""
    return Parts(result and result.with_name(f"{result.name}{SUFFIX}"), run_key)


def remove_older(result: Path) -> None:
    """Remove what a killed run of an earlier release left of this result."""
    folder = result.with_name(f"{result.name}{OLDER_SUFFIX}")
    if _parts_in(folder):
        Parts(folder, "").remove()


def _parts_in(folder: Path) -> list[Path]:
    """The files of a folder that are parts, or drafts of them."""
    return [file for file in folder.glob("*") if OURS.fullmatch(file.name)]


class Parts(NamedTuple):
    """Where the finished blocks of a run wait; a run without a folder keeps none.

    Attributes:
        folder: Where they are.
        run_key: Hash of what all of them depend on.
    """

    folder: Path | None
    run_key: str

    def key_of(self, activations: np.ndarray) -> str:
        """Hash of a block of activations within the run."""
        if self.folder is None:
            return ""
        digest = hashlib.sha256(self.run_key.encode())
        about = (activations.shape, activations.dtype.str, str(activations.dtype))
        digest.update(repr(about).encode())
        for start in range(0, len(activations), SAMPLES_TOGETHER):
            some = activations[start : start + SAMPLES_TOGETHER]
            digest.update(np.ascontiguousarray(some).view(np.uint8).data)
        return digest.hexdigest()[:32]

    def load(self, key: str) -> dict[str, np.ndarray] | None:
        """A part, or None if there is none that can be read whole."""
        return None if self.folder is None else load_arrays(self._path(key))

    def save(self, key: str, arrays: dict[str, np.ndarray]) -> None:
        """Write a part."""
        if self.folder is not None:
            save_arrays(self._path(key), arrays)

    def remove(self) -> None:
        """Remove all parts, and the folder if nothing else is in it."""
        if self.folder is None:
            return
        for part in _parts_in(self.folder):
            part.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def _path(self, key: str) -> Path:
        assert self.folder is not None
        return self.folder / f"{key}.npz"
