"""Fingerprints of a model and of what is computed with it.

They are of content: the numbers in the model's arrays, and the program that JAX traces.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr
from jaxtyping import PyTree


def array_fingerprint(tree: PyTree) -> str:
    """Hash of all arrays of a tree, with their places, types and shapes.

    >>> array_fingerprint({"w": np.zeros(2)}) == array_fingerprint({"w": np.zeros(3)})
    False
    """
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        digest.update(jax.tree_util.keystr(path).encode())
        _update(digest, leaf)
    return digest.hexdigest()


class SampleFingerprint:
    """Hash of samples that come batch by batch, whatever the sizes of the batches.

    >>> whole, parts = SampleFingerprint(), SampleFingerprint()
    >>> whole.update({"x": np.arange(5)})
    >>> parts.update({"x": np.arange(2)})
    >>> parts.update({"x": np.arange(2, 5)})
    >>> whole.hexdigest() == parts.hexdigest()
    True
    """

    def __init__(self) -> None:
        self.digests: dict[str, Any] = {}

    def update(self, tree: PyTree) -> None:
        """Appends a batch: arrays with samples as their first axis."""
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
            place = f"{jax.tree_util.keystr(path)}{leaf.dtype}{leaf.shape[1:]}"
            digest = self.digests.setdefault(place, hashlib.sha256())
            digest.update(np.ascontiguousarray(leaf).view(np.uint8).data)

    def hexdigest(self) -> str:
        """Hash of the samples so far; empty if there are none."""
        if not self.digests:
            return ""
        parts = [f"{place}{self.digests[place].hexdigest()}" for place in self.digests]
        return hashlib.sha256("".join(parts).encode()).hexdigest()


def program_fingerprint(function: Callable, *args: PyTree) -> str:
    """Hash of what a function computes on arguments of these shapes and types.

    Refused where a part of it is Python code that JAX does not see.

    >>> import jax.numpy as jnp
    >>> x = np.zeros(3)
    >>> program_fingerprint(jnp.sin, x) == program_fingerprint(jnp.cos, x)
    False
    """
    traced = jax.make_jaxpr(function)(*args)
    unseen = [name for name in _primitives(traced.jaxpr) if "callback" in name]
    if unseen:
        raise ValueError(
            f"`store` needs a model that JAX sees the whole of; this one has a "
            f"{unseen[0]}, whose code may change unnoticed. Collect it in memory."
        )
    # Functions show in the text with their place in memory, which is not content.
    text = re.sub(r"0x[0-9a-f]+", "", str(traced))
    digest = hashlib.sha256(text.encode())
    for constant in _constants(traced):
        _update(digest, constant)
    return digest.hexdigest()


def _primitives(program: Jaxpr) -> Iterator[str]:
    """Names of all operations, also of those inside others."""
    for equation in program.eqns:
        yield equation.primitive.name
        for part in jax.tree.leaves(equation.params, is_leaf=_is_program):
            if isinstance(part, ClosedJaxpr):
                yield from _primitives(part.jaxpr)
            elif isinstance(part, Jaxpr):
                yield from _primitives(part)


def _constants(traced: ClosedJaxpr) -> Iterator[Any]:
    yield from traced.consts
    for equation in traced.jaxpr.eqns:
        for part in jax.tree.leaves(equation.params, is_leaf=_is_program):
            if isinstance(part, ClosedJaxpr):
                yield from _constants(part)
            elif isinstance(part, Jaxpr):
                yield from _constants(ClosedJaxpr(part, ()))


def _is_program(value: Any) -> bool:
    return isinstance(value, (ClosedJaxpr, Jaxpr))


def _update(digest: Any, leaf: Any) -> None:
    if isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(
        leaf.dtype, jax.dtypes.prng_key
    ):
        leaf = jax.random.key_data(leaf)
    array = np.ascontiguousarray(leaf)
    digest.update(f"{array.dtype}{array.shape}".encode())
    digest.update(array.tobytes() if array.ndim == 0 else array.view(np.uint8).data)
