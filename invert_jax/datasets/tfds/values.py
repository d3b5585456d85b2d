"""The values of one feature in one example, serialized or already decoded."""

import math
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from invert_jax.datasets.tfds.features import Leaf

# Where `tf.train.Feature` keeps values, by the kind of their dtype; else as int64.
_LIST_OF_KIND = {"f": "float_list", "O": "bytes_list", "S": "bytes_list"}


def parsed(stored: bytes | dict[str, Any]) -> Mapping[str, Any]:
    """The example as a mapping: of its `tf.train.Example`, or decoded as it is."""
    if isinstance(stored, bytes):
        from tensorflow_datasets.proto import tf_example_pb2

        try:
            return tf_example_pb2.Example.FromString(stored).features.feature
        except Exception as error:  # protobuf's own
            raise ValueError(f"it is no `tf.train.Example`: {error}") from error
    return stored


def feature_error(leaf: Leaf, error: Exception) -> ValueError:
    """The error for one feature of an example: it says which, if it does not yet."""
    reason = str(error)
    is_named = repr(leaf.path) in reason
    return ValueError(reason if is_named else f"the feature {leaf.path!r}: {reason}")


def scalars(example: Mapping[str, Any], leaf: Leaf) -> list:
    """All values of a feature, whatever sequences they are in, in order."""
    if isinstance(example, dict):
        return _flattened(_inner(example, leaf.keys))
    info = leaf.feature.get_serialized_info()
    if isinstance(info, dict):  # several axes of unknown length
        return _decoded_tensors(_stored_values(example, leaf, "O", "/value"), leaf)
    values = _stored_values(example, leaf, np.dtype(info.np_dtype).kind)
    if info.np_dtype == np.object_ != leaf.feature.np_dtype:
        return _decoded_tensors(values, leaf)
    if leaf.feature.np_dtype == np.uint64:  # stored as int64 of the same bits
        return np.array(values, np.int64).view(np.uint64).tolist()
    if not leaf.lengths and None not in info.shape:
        _check_number(leaf, len(values), math.prod(info.shape))
    return values


def items(example: Mapping[str, Any], leaf: Leaf) -> list:
    """The images of a feature, encoded or decoded; one unless it is in a sequence."""
    if isinstance(example, dict):
        value = _inner(example, leaf.keys)
        return list(value) if leaf.lengths else [value]
    values = _stored_values(example, leaf, "O")
    if not leaf.lengths:
        _check_number(leaf, len(values), 1)
    return values


def _stored_values(
    example: Mapping[str, Any], leaf: Leaf, dtype_kind: str, suffix: str = ""
) -> list:
    """The list of a `tf.train.Feature`; nested sequences are flat there already."""
    key = leaf.path + suffix
    if key not in example and len(leaf.lengths) > 1:
        key += "/ragged_flat_values"
    if key not in example:
        if getattr(leaf.feature, "_optional", False):
            return []
        raise ValueError(
            f"it lacks the feature {leaf.path!r}; it has {sorted(example)[:10]}; "
            "features.json is of another version or data set."
        )
    feature = example[key]
    kind = feature.WhichOneof("kind")
    if kind is None:
        return []
    wanted = _LIST_OF_KIND.get(dtype_kind, "int64_list")
    if kind != wanted:
        raise ValueError(
            f"the feature {leaf.path!r} must be stored as {wanted}; got {kind}."
        )
    return list(getattr(feature, kind).value)


def _decoded_tensors(encoded: list[bytes], leaf: Leaf) -> list:
    """Values of tensors that are stored as bytes, compressed or not."""
    is_compressed = leaf.feature.to_json_content().encoding == "zlib"
    dtype = leaf.feature.np_dtype
    return [
        value
        for tensor in encoded
        for value in np.frombuffer(
            zlib.decompress(tensor) if is_compressed else tensor, dtype
        ).tolist()
    ]


def _check_number(leaf: Leaf, got: int, wanted: int) -> None:
    """Refuse another number of values than the feature has."""
    if got != wanted and not (got == 0 and getattr(leaf.feature, "_optional", False)):
        raise ValueError(
            f"the feature {leaf.path!r} must have {wanted} values; got {got}."
        )


def _inner(value: Any, keys: tuple[str, ...]) -> Any:
    """The value under the keys; of each item where a sequence has dicts as items."""
    for depth, key in enumerate(keys):
        if not isinstance(value, dict):
            return [_inner(part, keys[depth:]) for part in value]
        value = value[key]
    return value


def _flattened(value: Any) -> list:
    """The values of nested lists and arrays, in order."""
    if isinstance(value, np.ndarray) and value.dtype != object:
        return value.ravel().tolist()
    if isinstance(value, list | tuple | np.ndarray):
        return [item for part in value for item in _flattened(part)]
    if value is None:
        return []
    return [value]


def id_of(example: Mapping[str, Any], leaf: Leaf) -> int | str:
    """The one value of a feature that names the example."""
    values = scalars(example, leaf)
    if len(values) != 1 or not isinstance(values[0], int | str | bytes):
        raise ValueError(
            f"the feature {leaf.path!r} must be one whole number or text to be the id; "
            f"got {values!r:.60}."
        )
    return values[0].decode() if isinstance(values[0], bytes) else values[0]
