"""How many nulls do counting neurons need, and do they keep the level?

A layer of neurons without a meaning whose ties all differ: counts of several means,
quantized values, gates that saturate at both ends. Beside the number of nulls, the
share of p-values after the search that are at most 1, 5 and 20 %.
"""

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
import timing
from jaxtyping import Float32

import invert_jax as ij
from invert_jax.core.statistics import tie_patterns

QUIET = ij.Options(progress=False)
SEARCH: dict[str, Any] = {"max_length": 2, "beam_size": 2, "min_fraction": 0.02}
NUM_CONCEPTS = 30
Layer = Float32[np.ndarray, "samples neurons"]


def gates(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Sigmoids of any place and steepness, to one digit."""
    place, width = rng.normal(0, 2, shape[1]), rng.uniform(0.5, 6, shape[1])
    return (1 / (1 + np.exp(-rng.normal(place, width, shape)))).round(1)


KINDS: dict[str, Callable[[np.random.Generator, tuple[int, int]], np.ndarray]] = {
    "poisson, mean 1": lambda rng, shape: rng.poisson(1, shape),
    "poisson, mean 5": lambda rng, shape: rng.poisson(5, shape),
    "poisson, mean 30": lambda rng, shape: rng.poisson(30, shape),
    "poisson, means 0.1 to 30": lambda rng, shape: rng.poisson(
        rng.uniform(0.1, 30, shape[1]), shape
    ),
    "4 bits": lambda rng, shape: (2 * rng.normal(size=shape)).round().clip(-8, 7),
    "gates": gates,
    "two values": lambda rng, shape: rng.random(shape) < rng.random(shape[1]),
}


def judge(
    layer: Layer, concepts: ij.Concepts, num_draws: int, sign: str
) -> dict[str, Any]:
    """How many nulls the layer needs, and how its p-values are distributed."""
    found = ij.explain(layer, concepts, sign=sign, **SEARCH, options=QUIET)
    null = ij.null_distribution(
        concepts, found, num_draws=num_draws, key=1, options=QUIET
    )
    p_search = found.with_null(null).p_search
    assert p_search is not None
    return {
        "patterns": len(set(tie_patterns.patterns_of(found.tie_groups))),
        "nulls": len(null.patterns),
        **{f"p <= {p}": float((p_search <= p).mean()) for p in (0.01, 0.05, 0.2)},
    }


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Everything, as one record."""
    rng = np.random.default_rng(1)
    shape = options.samples, options.neurons
    share = rng.uniform(0.01, 0.4, NUM_CONCEPTS)
    masks = rng.random((options.samples, NUM_CONCEPTS)) < share
    concepts = ij.Concepts.from_masks(masks, [f"c{k}" for k in range(NUM_CONCEPTS)])
    results = {
        name: judge(make(rng, shape).astype(np.float32), concepts, options.draws, sign)
        for sign in ("positive", "negative")
        for name, make in [(f"{kind}, {sign}", make) for kind, make in KINDS.items()][
            :: options.every
        ]
    }
    return {
        "benchmark": "counts",
        "num_samples": options.samples,
        "num_neurons": options.neurons,
        "num_draws": options.draws,
        "search": SEARCH,
        "results": results,
        **timing.environment(),
    }


def show(record: dict[str, Any]) -> None:
    """The table of a run."""
    columns = ("patterns", "nulls", "p <= 0.01", "p <= 0.05", "p <= 0.2")
    print(f"{'':38}" + "".join(f"{name:>11}" for name in columns))
    for name, result in record["results"].items():
        print(f"{name:38}" + "".join(f"{result[key]:11.4g}" for key in columns))


def main() -> None:
    timing.run_from_command_line(
        __doc__ or "",
        run,
        show,
        samples=(2000, "samples"),
        neurons=(2000, "neurons of each kind"),
        draws=(1999, "draws per pattern"),
        every=(1, "one in so many kinds"),
    )


if __name__ == "__main__":
    main()
