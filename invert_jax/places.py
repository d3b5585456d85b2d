"""Where the results of a run are, and where its inputs were."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from invert_jax.engine import output_folders
from invert_jax.explanations import Explanations
from invert_jax.tables import DESCRIPTION

ACTIVATIONS_AT = "activations_at"
CONCEPTS_AT = "concepts_at"


def record_places(
    explanations: Explanations | Mapping[str, Explanations],
    output: str,
    *,
    activations: str,
    concepts: str,
) -> None:
    """Save results again with the places of what they were made of.

    Args:
        explanations: What was written to `output`.
        output: The folder.
        activations: A path.
        concepts: A path, or a source as the command line takes it.
    """
    given = {ACTIVATIONS_AT: activations, CONCEPTS_AT: concepts}
    # Addresses and sources by name are no paths.
    places = {
        name: str(Path(place).resolve()) if Path(place).exists() else place
        for name, place in given.items()
    }
    for name, folder in output_folders(output, explanations).items():
        layer = (
            explanations[name] if isinstance(explanations, Mapping) else explanations
        )
        dataclasses.replace(layer, sources=layer.sources | places).save(folder)


def recorded_place(explanations: Explanations, name: str) -> str | None:
    """Where an input was when it was explained, if there is still something.

    Args:
        explanations: Results.
        name: `ACTIVATIONS_AT` or `CONCEPTS_AT`.
    """
    place = explanations.sources.get(name)
    return None if place is None or _is_gone(place) else place


def moved_place(explanations: Explanations, name: str) -> str | None:
    """Where an input was when it was explained, if nothing is there any more."""
    place = explanations.sources.get(name)
    return place if place is not None and _is_gone(place) else None


def _is_gone(place: str) -> bool:
    """Whether it is a path where nothing is, or the end of one, as labels share it."""
    if place.startswith(("tfds:", "imagenet:")) or "://" in place:
        return False
    return not (Path(place).is_absolute() and Path(place).exists())


def load_results(path: str) -> dict[str, Explanations]:
    """The results in a folder, or in the folders of layers inside it, by layer."""
    loaded = {folder: Explanations.load(folder) for folder in result_folders(path)}
    return {each.layer or at.name: each for at, each in loaded.items()}


def result_folders(path: str) -> list[Path]:
    """A folder of results, or those of the layers inside it.

    Raises:
        FileNotFoundError: If there are none.
    """
    folder = Path(path)
    if (folder / DESCRIPTION).is_file():
        folders = [folder]
    else:
        folders = sorted(found.parent for found in folder.glob(f"*/{DESCRIPTION}"))
    if not folders:
        raise FileNotFoundError(
            "DIR must be a folder that `invert-jax explain -o` wrote; "
            f"{path} has no {DESCRIPTION}."
        )
    return folders


def names_of_folders(a: str, b: str) -> tuple[str, str]:
    """What tells two folders apart: their last parts, or all where these are equal.

    >>> names_of_folders("runs/epoch_1/", "runs/epoch_9")
    ('epoch_1', 'epoch_9')
    >>> names_of_folders("epoch_1/labels", "epoch_9/labels")
    ('epoch_1/labels', 'epoch_9/labels')
    >>> names_of_folders("labels", "labels")
    ('a', 'b')
    """
    first, second = Path(a), Path(b)
    if first.resolve().name != second.resolve().name:
        return first.resolve().name, second.resolve().name
    if str(first) != str(second):
        return str(first), str(second)
    return "a", "b"
