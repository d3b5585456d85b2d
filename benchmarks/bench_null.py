"""What does the null of the best score cost, and does it hold its level?

cost: the null of ImageNet's table (50,000 samples, 1,472 concepts, three literals, beam
of three, one tie pattern) beside explaining as many neurons. The concepts are those of
50 images of each of the 1,000 classes.

level: meaningless neurons of many shares of zeros, and of other ties, most of them off
the grid for which nulls are drawn; the share of them with p <= 0.05, with its
Monte-Carlo error. Twice, on nested and on overlapping concepts.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import timing
from cases import hostile_case, nested_case
from timing import measure

import invert_jax as ij

QUIET = ij.Options(progress=False)
SEARCH: dict[str, Any] = {"max_length": 3, "beam_size": 3, "min_fraction": 0.002}
ALPHA = 0.05
SHARES = (0.0, 0.3, 0.5, 0.66, 0.75, 0.79, 0.86, 0.9, 0.95, 0.99, 0.998, 0.9995)
Make = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]
OTHERS: dict[str, Make] = {
    "binary, 50 %": lambda rng, shape: rng.random(shape) < 0.5,
    "binary, 3 %": lambda rng, shape: rng.random(shape) < 0.03,
    "5 levels": lambda rng, shape: rng.integers(5, size=shape),
    "clipped at both ends": lambda rng, shape: rng.normal(size=shape).clip(-0.3, 1),
    "signed, 90 % zeros": lambda rng, shape: (
        rng.normal(size=shape) * (rng.random(shape) < 0.1)
    ),
    "rounded to 0.1": lambda rng, shape: rng.normal(size=shape).round(1),
}


def run_cost(options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of both, the second time so that nothing is compiled."""
    labels = np.arange(options.samples) % 1000
    concepts = ij.concepts.imagenet(labels)
    rng = np.random.default_rng(0)
    shape = (options.samples, options.draws)
    activations = rng.normal(size=shape).astype(np.float32)
    first, _ = measure(
        lambda: ij.explain(activations, concepts, **SEARCH, options=QUIET)
    )
    explaining, found = measure(
        lambda: ij.explain(activations, concepts, **SEARCH, options=QUIET)
    )
    drawing, null = measure(
        lambda: ij.null_distribution(
            concepts, found, num_draws=options.draws, key=0, options=QUIET
        )
    )
    comparing, labeled = measure(lambda: found.with_null(null))
    return {
        "benchmark": "null cost",
        "num_samples": options.samples,
        "num_concepts": concepts.num_concepts,
        "num_draws": options.draws,
        "num_patterns": len(null.patterns),
        "seconds": {
            "explain, first": first._asdict(),
            "explain": explaining._asdict(),
            "null": drawing._asdict(),
            "with_null": comparing._asdict(),
        },
        "ratio": drawing.wall / explaining.wall,
        "ratio cpu": drawing.cpu / explaining.cpu,
        "level": float((labeled.p_search <= ALPHA).mean()),
        "best score": quantiles(null.scores[0, :, -1]),
        **timing.environment(),
    }


def quantiles(values: np.ndarray) -> dict[str, float]:
    """Median and 95 % point."""
    return {"50 %": float(np.median(values)), "95 %": float(np.quantile(values, 0.95))}


def run_level(case: str, options: argparse.Namespace) -> dict[str, Any]:
    """The level for every share of zeros and for other ties."""
    concepts = concepts_of(case, options.samples)
    settings = SEARCH | {"min_fraction": 0.01}
    rng = np.random.default_rng(1)
    shape = (options.samples, options.neurons)
    levels = {}
    for name, make in kinds().items():
        activations = make(rng, shape).astype(np.float32)
        found = ij.explain(activations, concepts, **settings, options=QUIET)
        null = ij.null_distribution(
            concepts, found, num_draws=options.draws, key=0, options=QUIET
        )
        p_search = found.with_null(null).p_search
        levels[name] = {
            "level": float(np.mean(p_search[~np.isnan(p_search)] <= ALPHA)),
            "patterns": [list(map(list, pattern)) for pattern in null.patterns],
            "95 %": float(np.nanquantile(found.scores[:, 0], 1 - ALPHA)),
        }
    variance = ALPHA * (1 - ALPHA) * (1 / options.neurons + 1 / options.draws)
    return {
        "benchmark": "null level",
        "case": case,
        "num_samples": options.samples,
        "num_neurons": options.neurons,
        "num_draws": options.draws,
        "num_concepts": concepts.num_concepts,
        "alpha": ALPHA,
        "error": variance**0.5,
        "levels": levels,
        **timing.environment(),
    }


def kinds() -> dict[str, Make]:
    """How to make meaningless neurons, by name."""

    def sparse(share: float) -> Make:
        def make(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
            active = round(shape[0] * (1 - share))
            values = np.zeros(shape)
            values[:active] = rng.exponential(size=(active, shape[1]))
            return rng.permuted(values, axis=0)

        return make

    return {f"{share:.2%} zeros": sparse(share) for share in SHARES} | OTHERS


def concepts_of(case: str, num_samples: int) -> ij.Concepts:
    """The concepts of a case."""
    shape = {"num_samples": num_samples, "num_neurons": 1, "seed": 0}
    if case == "nested":
        made = nested_case(**shape, num_classes=100, num_groups=48)
    else:
        made = hostile_case(**shape, num_attributes=40)
    return ij.Concepts.from_masks(made.masks, made.names)


def show(record: dict[str, Any]) -> None:
    """What a run found, as text."""
    if record["benchmark"] == "null cost":
        for step, seconds in record["seconds"].items():
            print(f"{step:15} {seconds['wall']:8.2f} s {seconds['cpu']:8.2f} s CPU")
        print(
            f"null / explain  {record['ratio']:.2f} by the clock, "
            f"{record['ratio cpu']:.2f} by CPU; best score {record['best score']}"
        )
        return
    print(f"{record['case']}: alpha {ALPHA}, error {record['error']:.4f}")
    for name, level in record["levels"].items():
        drawn = len(level["patterns"])
        print(f"  {name:22} {level['level']:.4f}  {drawn} patterns")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("cost", "level"))
    parser.add_argument("--samples", type=int, help="50,000 for cost, 5,000 for level")
    parser.add_argument("--draws", type=int, default=2000, help="draws per pattern")
    parser.add_argument("--neurons", type=int, default=1000, help="of each kind")
    parser.add_argument("--out", type=Path, help="file to add the JSON lines to")
    options = parser.parse_args()
    options.samples = options.samples or (50_000 if options.what == "cost" else 5_000)
    runs = [partial(run_cost, options)]
    if options.what == "level":
        runs = [partial(run_level, case, options) for case in ("nested", "hostile")]
    for run in runs:
        record = run()
        show(record)
        if options.out:
            timing.append_line(options.out, record)


if __name__ == "__main__":
    main()
