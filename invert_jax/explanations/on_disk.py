"""Explanations in a folder: written whole or not at all, read again."""

import dataclasses
import hashlib
import importlib.metadata
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from invert_jax import version
from invert_jax.core.search.beam import PAD
from invert_jax.core.statistics.tie_patterns import NUM_GROUPS
from invert_jax.explanations.arrow import formula_texts, to_arrow
from invert_jax.explanations.held_out import HeldOut
from invert_jax.explanations.record import Record
from invert_jax.explanations.significance import Significance, list_column
from invert_jax.settings import SearchSettings

FORMAT = "invert_jax explanations"
VERSION = 1
DESCRIPTION = "explanations.json"
NEURONS = "neurons.parquet"
FORMULAS = "formulas.parquet"
LABELS = "labels.csv"
SAMPLES = "samples.parquet"
HELD_OUT = "held_out_samples.parquet"
OURS = {DESCRIPTION, NEURONS, FORMULAS, LABELS, SAMPLES, HELD_OUT}
RECORDED = ("jax", "flax", "numpy")


def save(explanations: Record, path: str | os.PathLike) -> None:
    """Write the folder `path`: Parquet for the arrays, JSON for all else.

    The folder is written beside and renamed, so that none is ever half-written. An
    older result of the same name is replaced, once the new one is whole; anything else
    in the way is an error.
    """
    path = Path(path).resolve()
    check_target(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as draft:
        written = Path(draft) / "new"
        written.mkdir()
        _write(explanations, written)
        if path.exists():
            path.rename(Path(draft) / "old")
        written.rename(path)


def check_target(path: Path) -> None:
    """Refuse to replace anything but an older result or an empty folder."""
    path = path.resolve()
    if path == Path.cwd():
        raise ValueError("`path` must not be the current folder; name a new one.")
    if not path.exists():
        return
    names = {each.name for each in path.iterdir()} if path.is_dir() else {path.name}
    if names and (DESCRIPTION not in names or names - OURS):
        foreign = sorted(names - OURS)[0] if names - OURS else f"no {DESCRIPTION}"
        raise ValueError(
            "`path` must be new, or a folder of explanations to replace; "
            f"{str(path)!r} is something else: it has {foreign}."
        )


def read(path: str | os.PathLike) -> dict[str, Any]:
    """The fields of a record, from a folder written by `save`."""
    path = Path(path)
    description = _read_description(path)
    try:
        for name, digest in description["digests"].items():
            if file_digest(path / name) != digest:
                raise ValueError(f"{name} is not the file that was written with it")
        neurons = pq.read_table(path / NEURONS).to_pydict()
        formulas = pq.read_table(path / FORMULAS)
        samples = _read_samples(path / SAMPLES)
        fields = _assemble(description, neurons, formulas, samples)
        held_out = _read_samples(path / HELD_OUT)
        if held_out is not None:
            fields["held_out"] = _held_out_of(fields, neurons, formulas, held_out)
        return fields
    except (
        OSError, LookupError, AttributeError, TypeError, ValueError, pa.ArrowException,
    ) as error:  # fmt: skip
        raise ValueError(
            f"`path` must hold whole explanations; {str(path)!r} is damaged: {error}"
        ) from error


def _read_samples(path: Path) -> np.ndarray | None:
    """Indices of samples; None if there is no such file."""
    return pq.read_table(path)["sample"].to_numpy() if path.exists() else None


def _held_out_of(
    fields: dict[str, Any], neurons: dict, formulas: pa.Table, samples: np.ndarray
) -> HeldOut:
    slots = tuple(formulas[name].to_numpy() for name in ("position", "step", "rank"))
    return HeldOut.from_columns(
        samples,
        neurons,
        formulas,
        (slots[0], slots[1] - 1, slots[2]),
        shape=fields["lengths"].shape,
        sign=fields["settings"].sign,
    )


def _write(explanations: Record, folder: Path) -> None:
    significance = explanations.significance
    neurons = {
        "neuron": explanations.neurons,
        "name": pa.array(explanations.neuron_names, pa.string()),
        "status": explanations.status,
        "tie_sum": explanations.tie_sums,
        "is_constant": explanations.is_constant,
        "tie_groups": list_column(explanations.tie_groups),
    }
    held_out = explanations.held_out
    neurons |= significance.columns() if significance else {}
    neurons |= held_out.neuron_columns() if held_out else {}
    pq.write_table(pa.table(neurons), folder / NEURONS)
    if explanations.samples is not None:
        pq.write_table(pa.table({"sample": explanations.samples}), folder / SAMPLES)
    if held_out is not None:
        pq.write_table(pa.table({"sample": held_out.samples}), folder / HELD_OUT)
    pq.write_table(formula_texts(explanations), folder / FORMULAS)
    pa.csv.write_csv(to_arrow(explanations), folder / LABELS)
    description = {
        "format": FORMAT,
        "version": VERSION,
        "layer": explanations.layer,
        "num_samples": explanations.num_samples,
        "settings": dataclasses.asdict(explanations.settings),
        "concept_names": explanations.concept_names,
        "synonyms": explanations.synonyms,
        "left_out": explanations.left_out,
        "sources": explanations.sources,
        "null": significance
        and {"alpha": significance.alpha, "num_draws": significance.num_draws},
        "versions": {name: importlib.metadata.version(name) for name in RECORDED}
        | {"invert_jax": version.VERSION},
        "digests": {each.name: file_digest(each) for each in folder.glob("*.parquet")},
    }
    text = json.dumps(description, indent=1, ensure_ascii=False, default=float)
    (folder / DESCRIPTION).write_text(text, encoding="utf-8")


def file_digest(path: Path) -> str:
    """Content hash of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_description(path: Path) -> dict:
    """The JSON of a folder, refused if it is none of ours."""
    try:
        description = json.loads((path / DESCRIPTION).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(
            "`path` must be a folder written by `Explanations.save`; "
            f"{str(path)!r} has no {DESCRIPTION}."
        ) from None
    except (OSError, ValueError) as error:
        raise ValueError(
            f"`path` must hold whole explanations; {str(path)!r} is damaged: {error}"
        ) from error
    known = isinstance(description, dict) and description.get("format") == FORMAT
    if not known or description.get("version") != VERSION:
        raise ValueError(
            f"`path` must be a folder of {FORMAT}, version {VERSION}; {str(path)!r} "
            "is not."
        )
    return description


def _assemble(
    description: dict, neurons: dict, formulas: pa.Table, samples: np.ndarray | None
) -> dict[str, Any]:
    settings = SearchSettings(**description["settings"])
    shape = (len(neurons["neuron"]), settings.max_length, settings.beam_size)
    operators, lengths = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    rank_sums, supports = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    literals = np.full((*shape, settings.max_length), PAD, np.int32)
    at = (
        formulas["position"].to_numpy(),
        formulas["step"].to_numpy() - 1,
        formulas["rank"].to_numpy(),
    )
    lists = formulas["literals"].combine_chunks()
    sizes = lists.value_lengths().to_numpy(zero_copy_only=False).astype(np.int64)
    slot = np.repeat(np.arange(len(sizes)), sizes)
    place = np.arange(sizes.sum()) - np.repeat(sizes.cumsum() - sizes, sizes)
    values = lists.flatten().to_numpy(zero_copy_only=False)
    literals[at[0][slot], at[1][slot], at[2][slot], place] = values
    lengths[at] = sizes
    operators[at] = formulas["operators"].to_numpy()
    rank_sums[at] = formulas["rank_sum"].to_numpy()
    supports[at] = formulas["num_positives"].to_numpy()
    if literals.max(initial=PAD) // 2 >= len(description["concept_names"]):
        raise ValueError("a formula uses a concept that has no name")
    synonyms = description["synonyms"].items()
    null, groups = description["null"], np.array(neurons["tie_groups"], np.int64)
    num_groups = groups.shape[1] // 2 if len(groups) else NUM_GROUPS
    return dict(
        neurons=np.asarray(neurons["neuron"], np.int64),
        neuron_names=tuple(neurons["name"]),
        concept_names=tuple(description["concept_names"]),
        literals=literals,
        operators=operators,
        lengths=lengths,
        rank_sums=rank_sums,
        supports=supports,
        tie_sums=np.asarray(neurons["tie_sum"], np.float64),
        is_constant=np.asarray(neurons["is_constant"], bool),
        tie_groups=groups.reshape(shape[0], num_groups, 2),
        num_samples=int(description["num_samples"]),
        settings=settings,
        synonyms={name: tuple(others) for name, others in synonyms},
        left_out=tuple(description["left_out"]),
        layer=description["layer"],
        sources=dict(description["sources"].items()),
        samples=samples,
        significance=null
        and Significance.from_columns(neurons, num_steps=settings.max_length, **null),
    )
