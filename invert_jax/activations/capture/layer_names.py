"""Names of layers: how they are made, and which of them a pattern means.

Names are made of the path of the layer and, where one path gives several arrays, of
marks:

    encoder/dense      what `encoder.dense(...)` returned
    encoder/dense#1    what its second call returned, if it is called more than once
    encoder.keys       the part `keys` of an output that is a dict, or part 0, 1, ...
    encoder@3          the fourth step, if the layer was scanned
    output             what the whole model returned
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from itertools import chain
from typing import Any

import jax
from jaxtyping import Array


def matches(name: str, pattern: str) -> bool:
    """Whether a layer is meant by a name or pattern.

    >>> matches("block#0", "block#0"), matches("block#0", "bl*k"), matches("b", "block")
    (True, True, False)
    """
    path = re.split(r"[#.@]", name, maxsplit=1)[0]
    return name == pattern or fnmatchcase(name, pattern) or fnmatchcase(path, pattern)


def first_match(name: str, by_pattern: Mapping[str, Any], default: Any) -> Any:
    """The entry of a dict by patterns that a layer gets.

    Its own name wins; then the first pattern that matches.

    >>> first_match("dense_1", {"dense*": "max", "dense_1": "mean"}, None)
    'mean'
    """
    if name in by_pattern:
        return by_pattern[name]
    for pattern, value in by_pattern.items():
        if matches(name, pattern):
            return value
    return default


def heard_paths(available: Iterable[str]) -> set[str]:
    """Paths of the layers, and of the modules that they are parts of."""
    paths = (re.split(r"[#.@]", name, maxsplit=1)[0] for name in available)
    return {whole for path in paths for whole in enclosing_paths(path)}


def enclosing_paths(path: str) -> list[str]:
    """Paths of the modules around a layer, outermost first, and its own."""
    parts = path.split("/")
    return ["/".join(parts[: end + 1]) for end in range(len(parts))]


OUTPUT = "output"


def parts(name: str, output: Any, *, mark: str = ".") -> Iterator[tuple[str, Array]]:
    """Name each array of an output that may be a dict, a tuple or an object.

    >>> import jax.numpy as jnp
    >>> dict(parts("block", {"keys": jnp.zeros(2), "rest": (None, jnp.ones(2))})).keys()
    dict_keys(['block.keys', 'block.rest.1'])
    """
    if isinstance(output, Mapping):
        for key, value in output.items():
            yield from parts(f"{name}{mark}{key}", value)
    elif isinstance(output, tuple) and hasattr(output, "_fields"):
        for field in output._fields:
            yield from parts(f"{name}{mark}{field}", getattr(output, field))
    elif isinstance(output, (tuple, list)):
        for index, value in enumerate(output):
            yield from parts(f"{name}{mark}{index}", value)
    elif isinstance(output, jax.Array):
        yield name, output
    else:
        leaves, _ = jax.tree.flatten(output)
        arrays = [leaf for leaf in leaves if isinstance(leaf, jax.Array)]
        for index, value in enumerate(arrays):
            yield f"{name}{mark}{index}", value


def by_name(outputs: Iterable[tuple[str, Array]]) -> dict[str, Array]:
    """Named arrays as a dict, refused if two have one name.

    >>> import jax.numpy as jnp
    >>> list(by_name([("stem", jnp.zeros(2)), ("head", jnp.ones(2))]))
    ['stem', 'head']
    """
    named: dict[str, Array] = {}
    for name, array in outputs:
        if name in named:
            raise ValueError(
                f"`model` must name its layers apart; two outputs are called {name!r}. "
                "Rename one: `.` and a number or key mark the parts of an output, `#` "
                "its calls."
            )
        named[name] = array
    return named


def calls(name: str, outputs: tuple) -> Iterator[tuple[str, Array]]:
    """Name each array of the outputs of all calls of one layer.

    >>> import jax.numpy as jnp
    >>> [name for name, _ in calls("dense", (jnp.zeros(2), jnp.ones(2)))]
    ['dense#0', 'dense#1']
    """
    for index, output in enumerate(outputs):
        yield from parts(name if len(outputs) == 1 else f"{name}#{index}", output)


def step_name(name: str, step: tuple[int, ...]) -> str:
    """The name of one step of a scanned layer; of a layer without steps its own.

    >>> step_name("encoder", (3,)), step_name("encoder", ())
    ('encoder@3', 'encoder')
    """
    return f"{name}@{','.join(map(str, step))}" if step else name


def with_output(outputs: dict[str, Array], result: Any) -> dict[str, Array]:
    """`outputs` and, last, what the whole model returned.

    It is called `output`, or `__call__` if a layer of the model is called so.
    """
    taken = any(name.split("/")[0].split(".")[0] == OUTPUT for name in outputs)
    name = "__call__" if taken else OUTPUT
    return by_name(chain(outputs.items(), parts(name, result)))
