"""Files that are never half-written: all of the new content or what was there."""

import contextlib
import hashlib
import io
import json
import math
import os
import re
import stat
import sys
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from invert_jax.core.exact import MAX_SAMPLES

if sys.platform != "win32":
    import fcntl

_DIGEST = "digest"  # the member of a file that tells whether all others are there
_MOST_HEADER = 1 << 16  # bytes
# Members of one axis that have a number for each sample.
_OF_SAMPLES = {"labels.npy", "ids.npy", "masks.npy", "row_of_sample.npy"}
_DRAFT = r"\.{}\.[0-9a-f]{{32}}\.part"


@contextlib.contextmanager
def whole_file(path: str | os.PathLike) -> Iterator[Path]:
    """An empty file to write, which takes the place of `path` when the block ends.

    It lies in the same folder and is on the disk before it takes the name. If the block
    raises, it is removed and `path` stays what it was. What a killed process left of
    this file is removed.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "answer.txt")
    >>> with whole_file(path) as draft:
    ...     _ = draft.write_text("42")
    >>> path.read_text(), len(list(path.parent.iterdir()))
    ('42', 1)
    """
    path = Path(path)
    remove_drafts(path.parent, path.name)
    with _new_draft(path) as draft:
        yield draft
        with draft.open("rb+") as file:
            if os.fstat(file.fileno()).st_size == 0:
                raise OSError(f"nothing was written that could become {path}")
            os.fsync(file.fileno())
        draft.replace(path)
        sync_folder(path.parent)


@contextlib.contextmanager
def _new_draft(path: Path) -> Iterator[Path]:
    """A file beside, locked, so that others know it from one that a kill left."""
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        with draft.open("xb") as file:
            lock(file.fileno())
            if sys.platform == "win32":  # no open file is renamed there
                file.close()
            yield draft
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise


def remove_drafts(folder: Path, name: str | None = None) -> None:
    """Remove what killed processes left of a file, or of any, and nobody writes now."""
    pattern = re.compile(_DRAFT.format(".+" if name is None else re.escape(name)))
    with contextlib.suppress(OSError):
        for draft in folder.iterdir():
            if pattern.fullmatch(draft.name):
                with contextlib.suppress(OSError), draft.open("rb+") as file:
                    if lock(file.fileno(), wait=False):
                        draft.unlink()


def is_draft(name: str) -> bool:
    """Whether a file of this name is one that `whole_file` has begun.

    >>> is_draft(".labels.csv.0123456789abcdef0123456789abcdef.part")
    True
    """
    return re.fullmatch(_DRAFT.format(".+"), name) is not None


def lock(descriptor: int, *, wait: bool = True, ranged: bool = False) -> bool:
    """Whether the open file or folder is this process's alone, until it is closed.

    False where another has it and it is not waited for, and where the system or the
    disk knows no locks.

    Args:
        descriptor: Of the file or folder.
        wait: Whether to wait for another that has it.
        ranged: Whether others may hold it by a lock of a range of bytes, of a file
            that is open for writing.
    """
    if sys.platform == "win32":
        return False
    how = fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB)
    try:
        fcntl.flock(descriptor, how)
        if ranged:
            fcntl.lockf(descriptor, how)
    except OSError:
        return False
    return True


@contextlib.contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """A folder that one process at a time writes to, where there are locks."""
    if sys.platform == "win32":
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk, where a folder can be asked for that."""
    if sys.platform == "win32":
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read_file(path: str | os.PathLike) -> bytes:
    """The bytes of a file, read once; a pipe or a device, which may never end, is none.

    Raises:
        FileNotFoundError: There is nothing.
        ValueError: It is no file.
    """
    without_waiting = getattr(os, "O_NONBLOCK", 0)
    with open(
        path, "rb", opener=lambda name, flags: os.open(name, flags | without_waiting)
    ) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError(f"{Path(path).name} is a pipe or a device, no file")
        return file.read()


def write_npz(path: str | os.PathLike, arrays: Mapping[str, np.ndarray]) -> None:
    """Write the arrays to one compressed file, whole; no suffix is added."""
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"`path` must be in a folder that exists; got {path}.")
    _refuse_objects(arrays)
    with whole_file(path) as draft, draft.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


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
                check_members(path)
                return {name: archive[name] for name in archive.files}
        except Exception as error:
            # Damage shows in zipfile, zlib, struct, ast or numpy, in each its own way.
            raise ValueError(
                f"{path} cannot be read as npz: {_reason(error)}"
            ) from error


def _refuse_objects(arrays: Mapping[str, np.ndarray]) -> None:
    """Refuse what would be pickled; before numpy 2.2 nothing else does."""
    for name, array in arrays.items():
        if np.asarray(array).dtype.hasobject:
            raise ValueError(f"{name!r} must be numbers or text, no Python objects.")


def check_members(path: Path) -> None:
    """Refuse an npz file whose arrays are larger than it says, or than a search takes.

    Only headers are read: no room is made before.
    """
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            with archive.open(member) as file:
                header = io.BytesIO(file.read(_MOST_HEADER))
            shape = _check_npy(header, member.file_size)
            is_of_samples = len(shape) > 1 or member.filename in _OF_SAMPLES
            if is_of_samples and shape and shape[0] > MAX_SAMPLES:
                raise ValueError(
                    f"{member.filename} has {shape[0]:,} rows, and at most "
                    f"{MAX_SAMPLES:,} samples are searched"
                )


def check_npy(path: Path) -> None:
    """Refuse an npy file that is not as large as its header says."""
    with path.open("rb") as file:
        _check_npy(file, os.fstat(file.fileno()).st_size)


def _check_npy(file: io.BufferedIOBase, num_bytes: int) -> tuple[int, ...]:
    """The shape of an array that is as large as its header says."""
    shape, dtype = _npy_header(file)
    if dtype.hasobject:
        raise ValueError("it holds pickled objects")
    needed = file.tell() + math.prod(shape) * dtype.itemsize
    if num_bytes != needed:
        raise ValueError(
            f"it has {num_bytes} bytes, where its header asks for {needed}"
        )
    return shape


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


def npy_of(content: bytes) -> np.ndarray:
    """The array of an npy file, which must be as large as it says.

    >>> file = io.BytesIO()
    >>> np.save(file, np.arange(3))
    >>> npy_of(file.getvalue()).tolist()
    [0, 1, 2]
    >>> npy_of(file.getvalue()[:-8])
    Traceback (most recent call last):
    ValueError: it has 144 bytes, where its header asks for 152
    """
    _check_npy(io.BytesIO(content), len(content))
    return np.load(io.BytesIO(content), allow_pickle=False)


def _npy_header(file: io.BufferedIOBase) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of the array of an npy file, which is not read further."""
    version = np.lib.format.read_magic(file)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in read:
        raise ValueError(f"it is of version {version} of the format")
    shape, _, dtype = read[version](file)
    return shape, dtype


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write the arrays with a digest, not compressed; a missing folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as draft, draft.open("wb") as file:
        _refuse_objects(arrays)
        named = {**arrays, _DIGEST: np.array(_digest(arrays))}
        np.savez(file, **named)  # type: ignore[arg-type]


def load_arrays(path: Path) -> dict[str, np.ndarray] | None:
    """What `save_arrays` wrote, or None if there is no file that can be read whole."""
    try:
        arrays = read_npz(path)
    except (OSError, ValueError):
        return None
    digest = arrays.pop(_DIGEST, None)
    return arrays if digest is not None and digest == _digest(arrays) else None


def _digest(arrays: Mapping[str, np.ndarray]) -> str:
    """Hash of the names and contents of arrays: zip may lose a member unnoticed."""
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(repr((name, array.shape, array.dtype.str)).encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """What is to be JSON, with a digest by which a change of any value shows.

    It is the SHA-256 of all else, with keys in order: line breaks do not matter.

    >>> sealed({"b": 1, "a": [2]})["digest"] == sealed({"a": (2,), "b": 1})["digest"]
    True
    """
    text = json.dumps(content, sort_keys=True, default=float)
    return {**content, "digest": hashlib.sha256(text.encode()).hexdigest()}


def without_folders(place: str) -> str:
    """A source as given; of a local path its end alone, which tells others enough.

    >>> without_folders("/home/me/acts.npy"), without_folders("imagenet:/home/me/val")
    ('acts.npy', 'imagenet:val')
    >>> without_folders("tfds:cifar10:test"), without_folders("gs://bucket/acts")
    ('tfds:cifar10:test', 'gs://bucket/acts')
    """
    scheme = next((s for s in ("imagenet:", "file://") if place.startswith(s)), "")
    path = PurePath(place.removeprefix(scheme))
    return scheme + path.name if path.is_absolute() else place
