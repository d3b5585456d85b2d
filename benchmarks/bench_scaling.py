"""Does the cost grow with the neurons and, at most as N log N, with the samples?

Classes and the groups of a hierarchy are explained at growing numbers of neurons, then
of samples, everything else the same. Growth is time over the expected time, against the
smallest size; at most about 1 is as good as promised. Sizes below one block of neurons
do not fill the processor: begin with at least 256.

    python benchmarks/bench_scaling.py --neurons 256 512 1024 2048
"""

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import timing
from cases import nested_case
from report import scaling_table

import invert_jax as ij

EXPECTED: dict[str, Callable[[int], float]] = {
    "neurons": float,
    "samples": lambda size: size * math.log2(size),
}
DEFAULTS = {
    "neurons": [256, 512, 1_024, 2_048],
    "samples": [12_500, 25_000, 50_000, 100_000, 200_000],
}
FORMULAS = {"neurons": "D", "samples": "N log N"}


def time_size(
    *, num_neurons: int, num_samples: int, classes: int, groups: int, repeats: int
) -> dict[str, Any]:
    """The time to explain a layer of these sizes, compiled before, and its quality."""
    case = nested_case(
        num_samples=num_samples,
        num_neurons=num_neurons,
        num_classes=classes,
        num_groups=groups,
        seed=0,
    )
    concepts = ij.Concepts.from_masks(case.masks, case.names)

    def explain():
        return ij.explain(
            case.activations,
            concepts,
            max_length=3,
            beam_size=3,
            min_fraction=0.002,
            options=ij.Options(progress=False),
        )

    explain()
    seconds, explanations = timing.measure(explain, repeats=repeats)
    return {
        "seconds": seconds._asdict(),
        "mean_best_score": float(np.nanmean(explanations.scores[:, 0])),
        "num_labeled": int((explanations.status == "labeled").sum()),
    }


def add_growth(runs: list[dict[str, Any]], expected: Callable[[int], float]) -> None:
    """Set in each run the time over the expected one, relative to the first."""
    first = runs[0]
    for run in runs:
        more_work = expected(run["size"]) / expected(first["size"])
        for name, clock in (("growth", "wall"), ("growth_cpu", "cpu")):
            longer = run["seconds"][clock] / first["seconds"][clock]
            run[name] = longer / more_work


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for axis, sizes in DEFAULTS.items():
        parser.add_argument(f"--{axis}", type=int, nargs="+", default=sizes)
    parser.add_argument("--classes", type=int, default=1_000)
    parser.add_argument("--groups", type=int, default=472)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, help="file to add the JSON line to")
    options = parser.parse_args()
    table = {name: getattr(options, name) for name in ("classes", "groups", "repeats")}
    middle = options.samples[len(options.samples) // 2]
    runs = {
        "neurons": [
            {"size": size, **time_size(num_neurons=size, num_samples=middle, **table)}
            for size in options.neurons
        ],
        "samples": [
            {
                "size": size,
                **time_size(num_neurons=options.neurons[0], num_samples=size, **table),
            }
            for size in options.samples
        ],
    }
    for axis, of_axis in runs.items():
        add_growth(of_axis, EXPECTED[axis])
    record = {
        "benchmark": "scaling",
        "num_concepts": options.classes + options.groups,
        "expected": FORMULAS,
        "runs": runs,
        **timing.environment(),
    }
    print(scaling_table(record))
    if options.out:
        timing.append_line(options.out, record)


if __name__ == "__main__":
    main()
