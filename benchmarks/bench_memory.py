"""Does a layer larger than the memory budget stay within it?

Collects a layer several times larger than the budget to a store, then explains it from
there. Each happens in a process of its own; what counts is the most memory it held
beyond what it held after the same work on a layer of a few neurons, which fills no
buffer, so that only the libraries are left out.

    python benchmarks/bench_memory.py
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import timing

import invert_jax as ij

NUM_SAMPLES = 20_000
BATCH = 100
FEW_NEURONS = 8


def collect(path: Path, num_neurons: int) -> None:
    """Write a layer to a store; its batches are made when they are asked for."""

    def model(seeds):
        neuron = jnp.arange(num_neurons, dtype=jnp.float32)
        return {"layer": jnp.sin(seeds[:, None] * (1 + neuron[None]))}

    class Batches:
        def __iter__(self):
            for start in range(0, NUM_SAMPLES, BATCH):
                yield np.arange(start, start + BATCH, dtype=np.float32)

    ij.activations.collect(
        model, Batches(), store=path, batch_size=BATCH, progress=False
    )


def explain(path: Path, budget: int) -> None:
    """Explain a stored layer by classes and groups of them."""
    labels = np.random.default_rng(0).integers(100, size=NUM_SAMPLES)
    classes = ij.Concepts.from_labels(labels, [f"class {i}" for i in range(100)])
    groups = ij.Concepts.from_labels(labels // 10, [f"group {i}" for i in range(10)])
    ij.explain(
        ij.activations.open_store(path)["layer"],
        classes.join(groups),
        min_fraction=0.005,
        beam_size=3,
        options=ij.Options(memory_budget=budget, progress=False),
    )


def growth(step: str, folder: Path, num_neurons: int, budget: int) -> int:
    """Bytes by which the peak grows from a small layer to the large one."""
    small, large = folder / "small", folder / "large"
    if step == "collect":
        collect(small, FEW_NEURONS)
        before = timing.peak_memory()
        collect(large, num_neurons)
    else:
        explain(small, budget)
        before = timing.peak_memory()
        explain(large, budget)
    return timing.peak_memory() - before


def main() -> None:
    """Run both steps as processes, print, and append one JSON line if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", type=int, default=512, help="MiB")
    parser.add_argument("--times", type=int, default=4)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--step", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    budget = asked.budget << 20
    num_neurons = asked.times * budget // (4 * NUM_SAMPLES)
    if asked.step:
        step, folder = asked.step
        print(growth(step, Path(folder), num_neurons, budget))
        return
    grown = {}
    with tempfile.TemporaryDirectory() as folder:
        for step in ("collect", "explain"):
            words = [sys.executable, __file__, *sys.argv[1:], "--step", step, folder]
            done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
            grown[step] = int(done.stdout)
            print(f"{step}: grew {grown[step] >> 20} MiB of {asked.budget} MiB allowed")
    record = {
        "benchmark": "memory",
        "layer_bytes": 4 * NUM_SAMPLES * num_neurons,
        "budget": budget,
        "grown": grown,
        "within": all(each <= budget for each in grown.values()),
    }
    print(json.dumps(record))
    if asked.out:
        timing.append_line(asked.out, record | timing.environment())


if __name__ == "__main__":
    main()
