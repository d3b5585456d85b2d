"""What a command line needs to run a user's model."""

import importlib
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple


class Subject(NamedTuple):
    """A model and how to run it: what the factory of `invert-jax collect` returns.

    Attributes:
        model: A linen module, an nnx module, or a function of a batch.
        variables: The variables of a linen module.
        call: How to call the model, if not with the batch alone.
        batches: What to run it on, as `collect` takes it; or None if the command line
            names the data.
        inputs: Which feature of that data the model takes, or several for a dict; by
            default its one image.
        transform: What is done with the input of one example of that data, such as
            crops and scaling.
        size: Height and width to which its images are resized.
        preprocessing: Your name for the transform; a store made under another name
            is refused.
        where: What counts, as `collect` takes it.
    """

    model: Any
    variables: Any = None
    call: Callable | None = None
    batches: Iterable | None = None
    inputs: str | Sequence[str] | None = None
    transform: Callable | None = None
    size: tuple[int, int] | None = None
    preprocessing: str = ""
    where: Any = None


def load_subject(source: str) -> Subject:
    """Call the factory that `package.module:function` names.

    The current folder is searched first. The factory takes nothing and returns a
    `Subject`, or a dict of its fields.

    Raises:
        ValueError: If `source` is no such name, or the factory returns something else.
        ImportError: If there is no such module.
    """
    module, separator, name = source.partition(":")
    if not separator or not module or not name:
        raise ValueError(f"`factory` must be package.module:function; got {source!r}.")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    factory = getattr(importlib.import_module(module), name, None)
    if not callable(factory):
        raise ValueError(f"`factory` must name a function; {module} has no {name}().")
    return _as_subject(factory(), source)


def _as_subject(made: object, source: str) -> Subject:
    """What a factory returned, as a `Subject`."""
    if isinstance(made, Subject):
        return made
    if not isinstance(made, Mapping):
        raise ValueError(
            f"`factory` must return a Subject or a dict of its fields; {source} "
            f"returned {type(made).__name__}."
        )
    unknown = sorted(set(made) - set(Subject._fields))
    if unknown or "model" not in made:
        problem = f"has the unknown field {unknown[0]!r}" if unknown else "has no model"
        raise ValueError(
            f"`factory` must return the fields {', '.join(Subject._fields)}, at least "
            f"`model`; what {source} returned {problem}."
        )
    return Subject(**made)
