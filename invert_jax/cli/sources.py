"""Concepts from what a command line names: a file, a TFDS data set, ImageNet labels."""

from pathlib import Path

import numpy as np

from invert_jax import concepts as readers
from invert_jax.concepts.table import Concepts

TFDS = "tfds:"
IMAGENET = "imagenet:"


def read_concepts(source: str, *, progress: bool = True) -> Concepts:
    """The concepts that `source` names.

    Args:
        source: A file; `tfds:NAME_OR_FOLDER:SPLIT`; or `imagenet:LABELS`, a .npy or
            text file of class indices or WordNet ids, one per sample.
        progress: Whether to show a bar while a TFDS data set is read.
    """
    if source.startswith(TFDS):
        return readers.from_tfds(*split_tfds(source), progress=progress)
    if source.startswith(IMAGENET):
        return readers.imagenet(_read_labels(Path(source.removeprefix(IMAGENET))))
    return readers.from_file(source)


def read_images(source: str) -> dict[int | str, np.ndarray] | Path:
    """All images of a TFDS data set by sample id; or a folder of them, as it is.

    Args:
        source: A folder, or `tfds:NAME_OR_FOLDER:SPLIT`.
    """
    if not source.startswith(TFDS):
        if not Path(source).is_dir():
            raise ValueError(
                f"images must be a folder or tfds:NAME:SPLIT; got {source!r}."
            )
        return Path(source)
    images: dict[int | str, np.ndarray] = {}
    for batch in readers.tfds_batches(*split_tfds(source), batch_size=1):
        images |= dict(zip(np.asarray(batch.ids).tolist(), batch.inputs, strict=True))
    return images


def split_tfds(source: str) -> tuple[str, str]:
    """The name or folder, and the split, of `tfds:NAME_OR_FOLDER:SPLIT`.

    A split may be sliced: what follows the first bracket belongs to it.

    >>> split_tfds("tfds:cifar10:test[:10%]")
    ('cifar10', 'test[:10%]')
    """
    plain, bracket, slices = source.removeprefix(TFDS).partition("[")
    name, separator, split = plain.rpartition(":")
    if not separator or not name or not split:
        raise ValueError(
            "`tfds:` must be followed by a name or folder and a split, as "
            f"tfds:cifar10:test; got {source!r}."
        )
    return name, split + bracket + slices


def _read_labels(path: Path) -> np.ndarray:
    """Labels from a .npy file, or from a text file with one a line."""
    if not path.is_file():
        raise FileNotFoundError(f"`imagenet:` must name a file; {path} does not exist.")
    if path.suffix == ".npy":
        try:
            return np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise ValueError(f"{path} cannot be read as npy: {error}.") from error
    words = path.read_text(encoding="utf-8", errors="replace").split()
    try:
        return np.array([int(word) for word in words], np.int64)
    except (ValueError, OverflowError):
        return np.array(words)
