"""Are planted formulas found again, and is noise left without a label?

Neurons are built from known formulas over 200 concepts: single ones, their parts and
near copies (distractors), with supports from 2 to 50 % of the samples. A planted neuron
is strength * truth + normal noise, or rectified to 50 or 90 % zeros, or a sparse latent
that fires on a fifth of the support and on 0.2 % elsewhere. For each strength:

- same: share of neurons whose best formula has exactly the planted support;
- as good: share whose best formula scores at least what the planted one does, so that
  no other search could be asked to prefer that;
- overlap: intersection over union of the two supports, in the mean;
- power: share called labeled (q <= 0.05), among planted ones;
- false: share of the labels that noise got;
- optimism: score on the samples searched minus that on held-out ones.
"""

import argparse
from typing import Any, NamedTuple

import numpy as np
import timing
from jaxtyping import Bool, Float, Float32

import invert_jax as ij

QUIET = ij.Options(progress=False)
SEARCH: dict[str, Any] = {"max_length": 3, "beam_size": 5, "min_fraction": 0.01}
STRENGTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
# Share of zeros of a planted neuron.
TIES = (0.0, 0.5, 0.9)
SINGLE, PARTS = 120, 40


class World(NamedTuple):
    """Concepts, and formulas to plant.

    Attributes:
        masks: Truth values of the concepts.
        names: Their names.
        formulas: What is planted.
        truths: Where each formula holds.
    """

    masks: Bool[np.ndarray, "samples concepts"]
    names: list[str]
    formulas: list[ij.Formula]
    truths: Bool[np.ndarray, "samples neurons"]


def make_world(num_samples: int, num_formulas: int, seed: int) -> World:
    """Concepts with parts and near copies, and formulas that need each literal."""
    rng = np.random.default_rng(seed)
    single = rng.random((num_samples, SINGLE)) < rng.uniform(0.02, 0.4, SINGLE)
    parts = single[:, :PARTS] & (rng.random((num_samples, PARTS)) < 0.6)
    copies = single[:, PARTS : 2 * PARTS] ^ (rng.random((num_samples, PARTS)) < 0.02)
    masks = np.concatenate((single, parts, copies), axis=1)
    names = [f"single {k}" for k in range(SINGLE)]
    names += [f"part of {k}" for k in range(PARTS)]
    names += [f"copy of {PARTS + k}" for k in range(PARTS)]
    formulas: list[ij.Formula] = []
    truths: list[np.ndarray] = []
    table = dict(zip(names, masks.T, strict=True))
    while len(formulas) < num_formulas:
        formula = random_formula(rng, names, 1 + len(formulas) % 3)
        truth = formula.evaluate(table)
        if 0.02 <= truth.mean() <= 0.5 and needs_all(formula, table):
            formulas.append(formula)
            truths.append(truth)
    return World(masks, names, formulas, np.stack(truths, axis=1))


def random_formula(
    rng: np.random.Generator, names: list[str], length: int
) -> ij.Formula:
    """Literals of distinct concepts, joined from left to right."""
    chosen = [names[k] for k in rng.choice(len(names), length, replace=False)]
    negated = (rng.random(length) < 0.4).tolist()
    operators = rng.choice(["and", "or"], length - 1).tolist()
    return ij.Formula.from_literals(chosen, negated, operators)


def needs_all(formula: ij.Formula, table: dict[str, np.ndarray]) -> bool:
    """Whether each concept changes a tenth of the support."""
    truth = formula.evaluate(table)
    for name in formula.names:
        flipped = formula.evaluate(table | {name: ~table[name]})
        if (truth != flipped).sum() < 0.1 * truth.sum():
            return False
    return True


def plant(
    rng: np.random.Generator,
    truths: Bool[np.ndarray, "samples neurons"],
    strength: float,
    zeros: float,
) -> Float32[np.ndarray, "samples neurons"]:
    """Neurons that are higher where their formula holds, rectified."""
    values = strength * truths + rng.normal(size=truths.shape)
    values -= np.quantile(values, zeros, axis=0) if zeros else 0
    return (np.maximum(values, 0) if zeros else values).astype(np.float32)


def plant_sparse(
    rng: np.random.Generator, truths: Bool[np.ndarray, "samples neurons"]
) -> Float32[np.ndarray, "samples neurons"]:
    """Latents that fire on a fifth of the support and on 0.2 % elsewhere."""
    fires = rng.random(truths.shape) < np.where(truths, 0.2, 0.002)
    return (fires * rng.exponential(size=truths.shape)).astype(np.float32)


def settings_of(options: argparse.Namespace) -> list[tuple[str, float, float]]:
    """Name, strength and zeros of each kind of neuron; strength 0 is noise."""
    kinds = [
        (f"{zeros:.0%} zeros, strength {strength}", strength, zeros)
        for zeros in TIES
        for strength in STRENGTHS
    ]
    return kinds[:: options.every]


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Everything, as one record."""
    world = make_world(options.samples, options.neurons, seed=0)
    concepts = ij.Concepts.from_masks(world.masks, world.names)
    rng = np.random.default_rng(1)
    results = {}
    for name, strength, zeros in settings_of(options):
        planted = plant(rng, world.truths, strength, zeros)
        noise = plant(rng, world.truths, 0.0, zeros)
        results[name] = judge(world, concepts, planted, noise, options)
    planted = plant_sparse(rng, world.truths)
    noise = rng.permuted(planted, axis=0)
    results["sparse latent"] = judge(world, concepts, planted, noise, options)
    return {
        "benchmark": "truth",
        "num_samples": options.samples,
        "num_concepts": len(world.names),
        "num_planted": options.neurons,
        "num_noise": options.neurons,
        "num_draws": options.draws,
        "search": SEARCH,
        "results": results,
        **timing.environment(),
    }


def judge(
    world: World,
    concepts: ij.Concepts,
    planted: Float32[np.ndarray, "samples neurons"],
    noise: Float32[np.ndarray, "samples neurons"],
    options: argparse.Namespace,
) -> dict[str, Any]:
    """How planted and meaningless neurons fare together, on all samples and on half."""
    activations = np.concatenate((planted, noise), axis=1)
    found = ij.explain(activations, concepts, **SEARCH, options=QUIET)
    null = ij.null_distribution(
        concepts, found, num_draws=options.draws, key=0, options=QUIET
    )
    called = found.with_null(null).status == "labeled"
    count = len(world.formulas)
    overlaps = np.array(
        [
            overlap(world.truths[:, neuron], found.formula(neuron), concepts)
            for neuron in range(count)
        ]
    )
    half = ij.explain(
        activations, concepts, **SEARCH, holdout=0.5, key=0, options=QUIET
    )
    return {
        "same": float((overlaps == 1).mean()),
        "same by length": by_length(overlaps == 1, world.formulas),
        "as good": float((found.scores[:count, 0] >= scores_of(world, planted)).mean()),
        "overlap": float(overlaps.mean()),
        "power": float(called[:count].mean()),
        "false": float(called[count:].sum() / max(1, called.sum())),
        "noise labeled": float(called[count:].mean()),
        "auroc": float(found.scores[:count, 0].mean()),
        "optimism": float(np.nanmean(half.optimism[:count, 0])),
        "optimism of noise": float(np.nanmean(half.optimism[count:, 0])),
    }


def scores_of(
    world: World, planted: Float32[np.ndarray, "samples neurons"]
) -> Float[np.ndarray, " neurons"]:
    """AUROC of each neuron for the formula planted in it."""
    return np.array(
        [
            ij.auroc(planted[:, [neuron]], world.truths[:, [neuron]])[0, 0]
            for neuron in range(len(world.formulas))
        ]
    )


def overlap(
    truth: Bool[np.ndarray, " samples"],
    formula: ij.Formula | None,
    concepts: ij.Concepts,
) -> float:
    """Intersection over union of what was planted and what was found."""
    if formula is None:
        return 0.0
    mask = formula.evaluate(concepts)
    return float((truth & mask).sum() / (truth | mask).sum())


def by_length(
    same: Bool[np.ndarray, " neurons"], formulas: list[ij.Formula]
) -> list[float]:
    """The mean over the formulas of each length."""
    lengths = np.array([formula.length for formula in formulas])
    return [float(same[lengths == length].mean()) for length in (1, 2, 3)]


def show(record: dict[str, Any]) -> None:
    """The table of a run."""
    columns = ("same", "as good", "overlap", "power", "false", "auroc", "optimism")
    print(f"{'':28}" + "".join(f"{name:>10}" for name in columns))
    for name, result in record["results"].items():
        print(f"{name:28}" + "".join(f"{result[key]:10.3f}" for key in columns))


def main() -> None:
    timing.run_from_command_line(
        __doc__ or "",
        run,
        show,
        samples=(10_000, "samples"),
        neurons=(128, "formulas planted"),
        draws=(1000, "draws per pattern"),
        every=(1, "one in so many kinds"),
    )


if __name__ == "__main__":
    main()
