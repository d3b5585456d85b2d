"""Where the results of a run are, and where its inputs were."""

import dataclasses
import hashlib
import os
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from invert_jax.explanations.explanations import Explanations
from invert_jax.explanations.on_disk import DESCRIPTION

ACTIVATIONS_AT = "activations_at"
CONCEPTS_AT = "concepts_at"
# Bytes of a name: disks take 255, and what lies beside a folder has a longer one.
LONG_NAME, SHORT_NAME = 200, 160


def record_places(
    explanations: Explanations | Mapping[str, Explanations],
    output: str,
    *,
    activations: str,
    concepts: str,
) -> None:
    """Save results with the places of what they were made of.

    Args:
        explanations: Results.
        output: The folder they go to.
        activations: A path.
        concepts: A path, or a source as the command line takes it.
    """
    places = places_of(activations=activations, concepts=concepts)
    for name, folder in output_folders(output, explanations).items():
        layer = (
            explanations[name] if isinstance(explanations, Mapping) else explanations
        )
        dataclasses.replace(layer, sources=layer.sources | places).save(folder)


def places_of(*, activations: str, concepts: str) -> dict[str, str]:
    """Where inputs are, as `sources` have it: of a path all of it.

    >>> places_of(activations="gs://bucket/acts", concepts="tfds:cifar10:test")
    {'activations_at': 'gs://bucket/acts', 'concepts_at': 'tfds:cifar10:test'}
    """
    given = {ACTIVATIONS_AT: activations, CONCEPTS_AT: concepts}
    # Addresses and sources by name are no paths.
    return {
        name: str(Path(place).resolve()) if Path(place).exists() else place
        for name, place in given.items()
    }


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


def output_folders(
    output: str | os.PathLike, layers: Mapping[str, object] | object
) -> dict[str, Path]:
    """Where the result of each layer goes: a folder of its own if there are several.

    Args:
        output: The folder of the run.
        layers: A dict by layer; anything else is one layer, named "".
    """
    folder = Path(output).resolve()
    if folder == Path.cwd():
        raise ValueError("`output` must not be the current folder; name a new one.")
    if not isinstance(layers, Mapping):
        return {"": folder}
    names = {layer: folder_name(layer) for layer in layers}
    # "a/b" and "a.b", say; and some disks tell no "A" from "a".
    counts = Counter(name.casefold() for name in names.values())
    told = {
        layer: name if counts[name.casefold()] == 1 else _told(layer, name)
        for layer, name in names.items()
    }
    layer_of: dict[str, str] = {}
    for layer, name in told.items():
        if (other := layer_of.setdefault(name.casefold(), layer)) != layer:
            raise ValueError(
                "`activations` must name layers whose folders differ; got "
                f"{other!r} and {layer!r}, both {name!r}. Rename one of them."
            )
    return {layer: folder / name for layer, name in told.items()}


def folder_name(layer: str) -> str:
    """The name of a layer as a name of a folder, which a disk takes.

    A long one is cut, and told from others of its beginning by a digest.

    >>> folder_name("encoder/block 0"), folder_name("")
    ('encoder.block_0', 'layer')
    """
    name = re.sub(r"[^\w.=-]", "_", layer.replace("/", ".")).strip(".") or "layer"
    if len(name.encode()) < LONG_NAME:
        return name
    return _told(layer, name.encode()[:SHORT_NAME].decode(errors="ignore"))


def _told(layer: str, name: str) -> str:
    """A name of a folder that no other layer has."""
    return f"{name}-{hashlib.sha256(layer.encode()).hexdigest()[:8]}"
