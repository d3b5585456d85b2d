"""The folder of results that the demo leaves behind."""

import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from invert_jax.activations import Activations
from invert_jax.concepts.table import Concepts
from invert_jax.demo.labels import Label, in_words
from invert_jax.demo.self_check import Check
from invert_jax.engine.folders import folder_name, record_places
from invert_jax.explanations.explanations import Explanations

ACTIVATIONS = "activations.npz"


def write_inputs(
    activations: Mapping[str, Activations], concepts: Concepts, output: Path
) -> None:
    """Write what was explained: a matrix per layer, the table of concepts.

    All layers and the ids of the images are in one file more, for `invert-jax report`.
    """
    folder = output / "activations"
    folder.mkdir(parents=True, exist_ok=True)
    for layer, values in activations.items():
        np.save(folder / f"{folder_name(layer)}.npy", np.asarray(values))
    matrices: dict[str, Any] = {"ids": np.asarray(concepts.ids)}
    matrices |= {layer: np.asarray(values) for layer, values in activations.items()}
    np.savez(output / ACTIVATIONS, **matrices)
    concepts.save(output / "concepts.npz")
    write_definitions(concepts, output)


def write_explanations(explanations: Mapping[str, Explanations], output: Path) -> None:
    """Write what was found, a folder per layer, for `Explanations.load`.

    With the places of what `write_inputs` wrote, where `invert-jax report` looks.
    """
    record_places(
        explanations,
        str(output / "explanations"),
        activations=str(output / ACTIVATIONS),
        concepts=str(output / "concepts.npz"),
    )


def write_definitions(concepts: Concepts, output: Path) -> None:
    """Write the name, the number of images and the definition of each concept."""
    descriptions = concepts.descriptions or ("",) * concepts.num_concepts
    with (output / "concepts.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["concept", "num_positives", "description"])
        writer.writerows(
            zip(concepts.names, concepts.num_positives, descriptions, strict=True)
        )


def write_labels(labels: Iterable[Label], output: Path) -> None:
    """Write a line per label: formula as `Formula.parse` reads it, and in words."""
    with (output / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*Label._fields, "in_words"])
        for label in labels:
            formula = "" if label.formula is None else str(label.formula)
            row = label._asdict() | {"formula": formula}
            writer.writerow([*row.values(), in_words(label.formula)])


def write_checks(checks: Iterable[Check], output: Path) -> None:
    """Write what was checked, with the numbers found."""
    record = {check.name: check._asdict() for check in checks}
    text = json.dumps(record, indent=2) + "\n"
    (output / "checks.json").write_text(text, encoding="utf-8")
