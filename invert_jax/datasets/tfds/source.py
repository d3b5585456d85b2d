"""The examples of a split of a TFDS data set, in order, each with its id and place.

The id of an example is its split and its number in the whole split, `test-17`, so that
it is the same in every slice, in `train+test`, and in every file format that TFDS wrote
the data set to.
"""

import dataclasses
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Shaped

from invert_jax.datasets.tfds.builder import FORMATS, prepared_builder
from invert_jax.datasets.tfds.records import Shard, bad_record, read_shard


class Located(NamedTuple):
    """One example, as it is stored, and where.

    Attributes:
        path: The file, or the data source.
        record: Its number there.
        stored: The serialized example; a decoded one if it comes from no file.
    """

    path: str
    record: int
    stored: bytes | dict[str, Any]

    def error(self, why: object) -> ValueError:
        """The error that names this example."""
        return bad_record(self.path, self.record, why)


@dataclasses.dataclass(frozen=True)
class Source:
    """The examples of a split or of a part of one.

    Attributes:
        name: Name of the data set, for messages.
        features: Its TFDS features.
        file_format: Format of the files.
        shards: What to read of which file.
        decoded: A sequence of the examples themselves, if there are no files.
    """

    name: str
    features: Any
    file_format: str
    shards: tuple[Shard, ...]
    decoded: Any = None

    @property
    def num_examples(self) -> int:
        """Number of examples."""
        return sum(shard.take for shard in self.shards)

    def ids(self) -> Shaped[np.ndarray, " samples"]:
        """Split and number in the split of each example."""
        ids_of_shards = []
        for shard in self.shards:
            first = shard.offset + shard.skip
            numbers = np.arange(first, first + shard.take).astype(str)
            ids_of_shards.append(np.char.add(f"{shard.split}-", numbers))
        return np.concatenate(ids_of_shards)

    def examples(self) -> Iterator[Located]:
        """Each example, in order."""
        for shard in self.shards:
            for record, stored in enumerate(self._stored(shard), shard.skip):
                yield Located(shard.path, record, stored)

    def _stored(self, shard: Shard) -> Iterator[bytes | dict[str, Any]]:
        """The examples of a shard, as they are stored."""
        if self.decoded is None:
            return read_shard(shard, self.file_format)
        return self._decoded(shard)

    def _decoded(self, shard: Shard) -> Iterator[dict[str, Any]]:
        """The examples of a shard that comes from no file."""
        for index in range(shard.skip, shard.skip + shard.take):
            try:
                yield self.decoded[index]
            except Exception as error:
                raise bad_record(
                    shard.path, index, f"there are no record files: {error}"
                ) from error


def open_source(
    builder_or_directory: object, split: object, data_dir: str | None = None
) -> Source:
    """The examples of a split, such as `train`, `test[:10%]` or `train+test`."""
    _check_split(split)
    builder = prepared_builder(builder_or_directory, data_dir)
    info = builder.info
    file_format = info.file_format.value if info.file_format else FORMATS[0]
    if not _has_files(builder):
        return _decoded_source(builder, split)
    shards = _shards(info.splits, split)
    if not sum(shard.take for shard in shards):
        raise ValueError(f"`split` must hold at least one example; {split!r} is empty.")
    _check_no_overlap(shards, split)
    return Source(info.full_name, info.features, file_format, shards)


def _check_split(split: object) -> None:
    """Refuse what TFDS does not read as a split, or reads as all of them."""
    if not isinstance(split, str) and not hasattr(split, "to_absolute"):
        raise TypeError(
            "`split` must be text such as 'test', 'test[:10%]' or 'train+test'; got "
            f"{split!r}."
        )


def _check_no_overlap(shards: tuple[Shard, ...], split: object) -> None:
    """Refuse to read an example twice, before any is read."""
    stop_of: dict[str, int] = {}
    for shard in sorted(shards, key=lambda shard: (shard.path, shard.skip)):
        if shard.skip < stop_of.get(shard.path, 0):
            raise ValueError(
                f"`split` must name each example once; got {split!r}, which reads "
                f"`{shard.split}-{shard.offset + shard.skip}` twice."
            )
        stop_of[shard.path] = shard.skip + shard.take


def _has_files(builder: Any) -> bool:
    """Whether any record file of the data set exists."""
    try:
        splits = builder.info.splits.values()
        paths = [path for split in splits for path in split.filepaths]
    except Exception as error:  # of a template of names that lacks a part
        raise ValueError(
            f"`{builder.data_path}` cannot be read as a TFDS data set: its "
            f"dataset_info.json does not name the record files: {error}"
        ) from error
    return any(os.path.exists(path) for path in paths)


def _decoded_source(builder: Any, split: object) -> Source:
    """The examples of a builder that has a data source of its own, such as a mock."""
    info = builder.info
    try:
        decoded = builder.as_data_source(str(split))
        num_examples = len(decoded)
    except Exception as error:
        raise ValueError(
            f"`{info.full_name}` has no record files at `{builder.data_path}`, and its "
            f"data source cannot be opened: {error}"
        ) from error
    place = os.path.join(builder.data_path, str(split))
    shard = Shard(place, str(split), 0, 0, num_examples, num_examples)
    return Source(info.full_name, info.features, FORMATS[0], (shard,), decoded)


def _shards(splits: Any, split: object) -> tuple[Shard, ...]:
    """What to read of which file, by TFDS's own reading of `split`."""
    whole_files = {}
    for name, info in splits.items():
        offset = 0
        for path, length in zip(info.filepaths, info.shard_lengths, strict=True):
            path = os.fspath(path)
            whole_files[path] = Shard(path, name, offset, 0, length, length)
            offset += length
    try:
        instructions = splits[split].file_instructions
    except Exception as error:
        raise ValueError(
            f"`split` must be one of {', '.join(map(repr, splits))}, a slice of one "
            f"such as 'test[:10%]', or a sum of those; got {split!r}: {error}"
        ) from error
    return tuple(
        whole_files[os.fspath(part.filename)]._replace(skip=part.skip, take=part.take)
        for part in instructions
    )
