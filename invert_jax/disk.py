"""Files that are never half-written: all of the new content or what was there."""

import contextlib
import hashlib
import io
import os
import uuid
from collections.abc import Mapping
from pathlib import Path

import numpy as np


def write_npz(path: str | os.PathLike, arrays: Mapping[str, np.ndarray]) -> None:
    """Write the arrays, so that `path` holds either all of them or what it held before.

    The data go to a temporary file in the same folder, to the disk, and then take the
    name. No suffix is added.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"`path` must be in a folder that exists; got {path}.")
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        with temporary.open("xb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def read_npz(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """All arrays of the file, by name.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is no npz file, is cut short or damaged, or holds pickled
            objects, which are never read.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"`path` must be an npz file that exists; got {path}.")
    with path.open("rb") as file:
        try:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("it is a single array, not an npz archive")
            with archive:
                return {name: archive[name] for name in archive.files}
        except Exception as error:
            # Damage shows in zipfile, zlib, struct, ast or numpy, in each its own way.
            raise ValueError(
                f"{path} cannot be read as npz: {_reason(error)}"
            ) from error


def _reason(error: Exception) -> str:
    if "pickle" in str(error).lower():
        return (
            "it holds pickled Python objects, which are never loaded. Save plain "
            "arrays (bool, numbers, strings of fixed width) instead."
        )
    return (
        f"{error or type(error).__name__}. It is cut short, damaged or of another "
        "kind; make it again."
    )


DIGEST = "digest"


def save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write an npz file: a temporary file first, then its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = io.BytesIO()
    named = {**arrays, DIGEST: np.array(_digest(arrays))}
    np.savez(content, allow_pickle=False, **named)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with open(draft, "wb") as file:
        file.write(content.getbuffer())
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def load_arrays(path: Path) -> dict[str, np.ndarray] | None:
    """The arrays of an npz file, or None if there is none that can be read whole."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as content:
            arrays = dict(content)
    except Exception:  # damage shows in each member in its own way
        return None
    digest = arrays.pop(DIGEST, None)
    return arrays if digest is not None and digest == _digest(arrays) else None


def _digest(arrays: dict[str, np.ndarray]) -> str:
    """Hash of the names and contents of arrays."""
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(repr((name, array.shape, array.dtype.str)).encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
