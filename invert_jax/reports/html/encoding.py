"""Numbers and text as they stand in the page: compact, and never read as markup."""

import base64
import json

import numpy as np
from jaxtyping import Float, Shaped

_CODES = {
    "u1": "uint8",
    "u2": "uint16",
    "i4": "int32",
    "f4": "float32",
    "f8": "float64",
}
# What could end a script element or open a comment in it, and the two line ends that
# JSON allows and JavaScript did not.
_ESCAPES = {
    ord(char): f"\\u{ord(char):04x}" for char in ("<", ">", "&", "\u2028", "\u2029")
}


def packed(array: Shaped[np.ndarray, "..."], code: str) -> dict:
    """An array as base64 of its little-endian bytes, with its shape.

    Args:
        array: Any numbers that the type can hold.
        code: "u1", "u2", "i4", "f4" or "f8".

    >>> packed(np.array([[1, 2]]), "u2")
    {'type': 'u2', 'shape': [1, 2], 'data': 'AQACAA=='}
    """
    if code not in _CODES:
        raise ValueError(f"`code` must be one of {', '.join(_CODES)}; got {code!r}.")
    values = np.ascontiguousarray(array, dtype=f"<{code}")
    return {
        "type": code,
        "shape": list(values.shape),
        "data": base64.b64encode(values.tobytes()).decode("ascii"),
    }


def packed_floats(array: Float[np.ndarray, "..."]) -> dict:
    """Numbers as float32 where that holds them, else as float64.

    >>> packed_floats(np.array([1.0]))["type"], packed_floats(np.array([1e300]))["type"]
    ('f4', 'f8')
    """
    sizes = np.abs(array[np.isfinite(array) & (array != 0)])
    limits = np.finfo(np.float32)
    fits = not sizes.size or (sizes.max() <= limits.max and sizes.min() >= limits.tiny)
    return packed(array, "f4" if fits else "f8")


def script_json(value: object) -> str:
    r"""JSON that can stand inside a script element, whatever text is in it.

    >>> print(script_json({"name": "</script>"}))
    {"name":"\u003c/script\u003e"}
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return well_formed(text).translate(_ESCAPES)


def well_formed(text: str) -> str:
    r"""The text with what UTF-8 cannot hold, lone surrogates, replaced.

    >>> well_formed("a\ud800b")
    'a?b'
    """
    return text.encode("utf-8", "replace").decode("utf-8")
