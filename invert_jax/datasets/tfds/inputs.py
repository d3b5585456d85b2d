"""Inputs of a model from the examples of a TFDS data set, decoded in threads."""

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

import jax
import numpy as np
from jaxtyping import Shaped

from invert_jax.checks import check_whole, checked_sizes, listed
from invert_jax.datasets.batch import Batch
from invert_jax.datasets.images import (
    decode_image,
    decode_map,
    resized,
    resized_map,
)
from invert_jax.datasets.tfds.features import Kind, Leaf, leaf_named, leaves
from invert_jax.datasets.tfds.source import Located, Source, open_source
from invert_jax.datasets.tfds.values import feature_error, id_of, items, parsed, scalars
from invert_jax.pipeline import started_ahead

Transform = Callable[[Any], Any]
_BATCHES_AHEAD = 2


class TransformError(ValueError):
    """The user's function failed, not the record."""


@dataclasses.dataclass(frozen=True)
class TfdsBatches:
    """Batches of the examples of a split, each time they are gone through.

    Made by `tfds_batches`. Pillow decodes outside Python's lock, so that the threads
    work side by side; the order does not depend on them.

    Attributes:
        source: The examples.
        leaves: The features that are inputs; more than one make a dict by path.
        id_leaf: The feature that holds the ids, if there is one.
        batch_size: Number of examples of a batch; the last may have fewer.
        size: Height and width that images are resized to.
        transform: What is done with each example, in the threads.
        workers: Number of threads.
    """

    source: Source
    leaves: tuple[Leaf, ...]
    id_leaf: Leaf | None
    batch_size: int
    size: tuple[int, int] | None
    transform: Transform | None
    workers: int

    @property
    def num_samples(self) -> int:
        """Number of examples."""
        return self.source.num_examples

    def __len__(self) -> int:
        """Number of batches."""
        return -(-self.num_samples // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        """Each batch, in the order of the data set."""
        ids = self.source.ids() if self.id_leaf is None else None
        for index, decoded in enumerate(self._decoded_batches()):
            if ids is None:
                batch_ids = np.array([example.id for example in decoded])
            else:
                start = index * self.batch_size
                batch_ids = ids[start : start + len(decoded)]
            yield Batch(self._stacked(decoded), batch_ids)

    def _decoded_batches(self) -> Iterator[list["Decoded"]]:
        """The examples of each batch, decoded while earlier batches are used."""
        examples = self.source.examples()
        batches = iter(lambda: list(islice(examples, self.batch_size)), [])
        pool = ThreadPoolExecutor(self.workers)
        started = (self._started(pool, batch) for batch in batches)
        try:
            for parts in started_ahead(started, _BATCHES_AHEAD):
                yield [example for part in parts for example in part.result()]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _started(
        self, pool: ThreadPoolExecutor, batch: list[Located]
    ) -> list[Future[list["Decoded"]]]:
        """The decoding of a batch, a part of it for each thread."""
        length = -(-len(batch) // self.workers)
        parts = (batch[i : i + length] for i in range(0, len(batch), length))
        return [pool.submit(self._decode, part) for part in parts]

    def _decode(self, examples: list[Located]) -> list["Decoded"]:
        """Some examples; what fails names the example."""
        decoded = []
        for located in examples:
            try:
                decoded.append(self._decoded(located))
            except TransformError:
                raise
            except Exception as error:
                raise located.error(error) from error
        return decoded

    def _decoded(self, located: Located) -> "Decoded":
        example = parsed(located.stored)
        values = {leaf.path: self._input(example, leaf) for leaf in self.leaves}
        value = values if len(values) > 1 else values[self.leaves[0].path]
        if self.transform is not None:
            value = self._transformed(value, located)
        id_ = None if self.id_leaf is None else id_of(example, self.id_leaf)
        return Decoded(located, id_, value)

    def _transformed(self, value: Any, located: Located) -> Any:
        assert self.transform is not None
        try:
            return self.transform(value)
        except Exception as error:
            raise TransformError(
                f"`transform` failed for record {located.record} of `{located.path}`: "
                f"{type(error).__name__}: {error}"
            ) from error

    def _input(self, example: Mapping[str, Any], leaf: Leaf) -> Any:
        try:
            return input_of(example, leaf, self.size)
        except Exception as error:  # of NumPy, Pillow, zlib, UTF-8
            raise feature_error(leaf, error) from error

    def _stacked(self, decoded: list["Decoded"]) -> Any:
        """The inputs of a batch, stacked; dicts and other trees leaf by leaf."""
        try:
            return jax.tree.map(
                lambda *values: np.stack([np.asarray(value) for value in values]),
                *(example.value for example in decoded),
            )
        except ValueError as error:
            shapes = [jax.tree.map(np.shape, example.value) for example in decoded]
            others = (i for i, shape in enumerate(shapes) if shape != shapes[0])
            other = next(others, 0)
            raise decoded[other].located.error(
                f"the inputs of a batch must have one shape; got {shapes[other]} after "
                f"{shapes[0]}; give `size=(height, width)` for images, or a "
                f"`transform` ({error})."
            ) from error


@dataclasses.dataclass(frozen=True)
class Decoded:
    """An example ready for the model, and where it comes from."""

    located: Located
    id: int | str | None
    value: Any


def input_of(
    example: Mapping[str, Any], leaf: Leaf, size: tuple[int, int] | None = None
) -> Any:
    """One feature as an array, images and maps in `size`; text as a str."""
    if leaf.kind in (Kind.IMAGE, Kind.MAP):
        decode = _map if leaf.kind is Kind.MAP else _image
        stored = items(example, leaf)
        images = [decode(image, leaf.feature, size) for image in stored]
        return np.stack(images) if leaf.lengths else images[0]
    values = scalars(example, leaf)
    if leaf.kind is Kind.TEXT:
        texts = [v.decode() if isinstance(v, bytes) else str(v) for v in values]
        return texts if leaf.lengths else texts[0]
    return _reshaped(np.array(values, leaf.feature.np_dtype), leaf)


def _image(
    stored: bytes | np.ndarray, feature: Any, size: tuple[int, int] | None
) -> Shaped[np.ndarray, "*frames height width channels"]:
    """A picture, its colors as they are seen."""
    if isinstance(stored, bytes):
        stored = decode_image(stored, feature.shape, np.dtype(feature.np_dtype))
    return stored if size is None else resized(stored, size)


def _map(
    stored: bytes | np.ndarray, feature: Any, size: tuple[int, int] | None
) -> Shaped[np.ndarray, "height width 1"]:
    """A segmentation map, its classes as `from_tfds` reads them."""
    classes = decode_map(stored, feature.shape, np.dtype(feature.np_dtype))
    return classes if size is None else resized_map(classes, size)


def _reshaped(values: Shaped[np.ndarray, " n"], leaf: Leaf) -> np.ndarray:
    """The values in the shape of the feature; at most one axis has an open length."""
    shape = (*leaf.lengths, *leaf.feature.shape)
    if shape.count(None) > 1:
        raise ValueError(
            f"the feature {leaf.path!r} has shape {shape}: with several axes of open "
            "length it cannot be an input."
        )
    return values.reshape([-1 if length is None else length for length in shape])


def tfds_batches(
    builder_or_directory: Any,
    split: Any,
    *,
    batch_size: int = 128,
    inputs: str | Sequence[str] | None = None,
    size: tuple[int, int] | None = None,
    transform: Callable[[Any], Any] | None = None,
    ids: str | None = None,
    data_dir: str | None = None,
    workers: int | None = None,
) -> TfdsBatches:
    """Inputs of a TFDS data set for `collect`, with the ids that `from_tfds` gives.

    Images are arrays [height, width, channels] of the data set's dtype, mostly uint8,
    decoded by Pillow; segmentation maps [height, width, 1] hold the class of each
    pixel, never a color. The batches can be gone through again and again.

    Args:
        builder_or_directory: As in `from_tfds`.
        split: As in `from_tfds`.
        batch_size: Number of examples of a batch; the last may have fewer.
        inputs: Path of the feature that the model takes; several make a dict. By
            default the one image.
        size: Height and width to resize images to, the whole of them, so that
            positions stay where they are. Maps keep their classes: nearest, no mean.
        transform: Function of one example's input, such as crops, scaling or a
            tokenizer; runs in the workers.
        ids: As in `from_tfds`.
        data_dir: As in `from_tfds`.
        workers: Number of threads that decode; by default one per core, at most 16.

    >>> import tensorflow_datasets as tfds
    >>> with tfds.testing.mock_data(num_examples=4):
    ...     batches = tfds_batches("cifar10", "test", batch_size=3)
    >>> [batch.inputs.shape for batch in batches]
    [(3, 32, 32, 3), (1, 32, 32, 3)]
    """
    check_whole("batch_size", batch_size, 1)
    check_whole("workers", 1 if workers is None else workers, 1)
    if size is not None:
        size = checked_sizes("size", "height and width", size)
    source = open_source(builder_or_directory, split, data_dir)
    return TfdsBatches(
        source,
        _input_leaves(source, inputs),
        None if ids is None else leaf_named(source, ids, "ids"),
        batch_size,
        size,
        transform,
        workers or min(os.cpu_count() or 1, 16),
    )


def _input_leaves(
    source: Source, inputs: str | Sequence[str] | None
) -> tuple[Leaf, ...]:
    """The features of the names; by default the only image."""
    if inputs is not None:
        names = [inputs] if isinstance(inputs, str) else list(inputs)
        if not names:
            raise ValueError("`inputs` must name at least one feature; got none.")
        return tuple(leaf_named(source, name, "inputs") for name in names)
    images = [
        leaf
        for leaf in leaves(source.features)
        if leaf.kind is Kind.IMAGE and not leaf.lengths
    ]
    if len(images) != 1:
        raise ValueError(
            "`inputs` must name a feature where there is not just one image; the "
            f"images are: {listed([leaf.path for leaf in images]) or 'none'}."
        )
    return tuple(images)
