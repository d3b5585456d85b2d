"""One small run with names that would break a careless page, and its page."""

import dataclasses
from pathlib import Path
from typing import NamedTuple

import numpy as np

import invert_jax as ij
from invert_jax.reports.page import report

NAMES = (
    "<script>window.broken = 1</script>",
    "say \"hi\" & 'bye'",
    "שלום עולם",
    "🐙 octopus",
    "</script><img src=x onerror='window.broken = 2'>",
    "plain",
)
NUM_SAMPLES = 160


class Run(NamedTuple):
    explanations: ij.Explanations
    activations: ij.Activations
    concepts: ij.Concepts
    images: np.ndarray


def make_run() -> Run:
    """Neuron j sees concept j; neuron 6 is constant, neuron 7 sees 0 AND NOT 5."""
    rng = np.random.default_rng(0)
    masks = rng.random((NUM_SAMPLES, len(NAMES))) < 0.4
    seen = np.column_stack([masks, np.zeros(NUM_SAMPLES), masks[:, 0] & ~masks[:, 5]])
    noise = rng.normal(size=seen.shape) * np.where(np.arange(8) == 6, 0, 0.35)
    values = (seen + noise).astype(np.float32)
    concepts = ij.Concepts.from_masks(
        masks, NAMES, ids=[f"<i>{n}</i>.png" for n in range(NUM_SAMPLES)],
        descriptions=[f"<b>{name}</b>" for name in NAMES],
    )  # fmt: skip
    activations = ij.Activations(values, ids=concepts.ids, layer="block<1>")
    images = rng.integers(0, 256, (NUM_SAMPLES, 8, 8, 3), dtype=np.uint8)
    explanations = ij.explain(
        activations, concepts, max_length=2, beam_size=3, min_fraction=0.125,
        options=ij.Options(progress=False),
    )  # fmt: skip
    return Run(explanations, activations, concepts, images)


def make_page(run: Run, path: Path, **settings) -> Path:
    """The page with all that there is to show."""
    maps = np.random.default_rng(1).random((NUM_SAMPLES, 4, 4, 8))
    return report(
        run.explanations, path, activations=run.activations, concepts=run.concepts,
        images=run.images, maps=maps, title="Names as <data>", **settings,
    )  # fmt: skip


def many_units(run: Run, count: int) -> ij.Explanations:
    """The labels of the run, again and again, as of so many units."""
    repeated = run.explanations.take(np.arange(count) % len(run.explanations))
    return dataclasses.replace(repeated, neurons=np.arange(count))
