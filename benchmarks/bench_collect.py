"""How much slower is `collect` than the model alone?

Samples per second of `collect`, in memory and to a store, against a bare jitted forward
pass over the same batches. What a run costs whatever its length (tracing, compiling,
opening the store) is left out by taking the difference between a long and a short run.
The goal is 0.9 of the bare rate.

    python benchmarks/bench_collect.py
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import numpy as np
import timing

import invert_jax as ij

GOAL = 0.9
LAYERS = "block*"


class Network(nn.Module):
    """A small convolutional network; every block is a layer to collect."""

    widths: tuple[int, ...] = (32, 64, 128, 256)

    @nn.compact
    def __call__(self, images):
        """Logits of images [samples, 32, 32, 3]."""
        for index, width in enumerate(self.widths):
            strides = (1, 1) if index == 0 else (2, 2)
            block = nn.Conv(width, (3, 3), strides=strides, name=f"block{index}")
            images = nn.relu(block(images))
        return nn.Dense(100, name="head")(images.mean((1, 2)))


def rates(*, num_samples: int, batch_size: int, repeats: int) -> dict[str, Any]:
    """Samples per second of each way, and whether they give the same numbers."""
    images = np.random.default_rng(0).normal(size=(num_samples, 32, 32, 3))
    batches = ij.activations.batched(images.astype(np.float32), batch_size)
    few = batches[: max(1, len(batches) // 8)]
    model = Network()
    variables = model.init(jax.random.key(0), batches[0].inputs)
    forward = jax.jit(model.apply)

    def bare(some):
        return [np.asarray(forward(variables, batch.inputs)) for batch in some]

    def collect(some, **settings):
        return ij.activations.collect(
            model, some, variables=variables, layers=[LAYERS, "head"],
            batch_size=batch_size, progress=False, **settings,
        )  # fmt: skip

    def to_store(some):
        with tempfile.TemporaryDirectory() as folder:
            return collect(some, store=Path(folder) / "acts")

    bare(few)
    long, short = num_samples, sum(len(batch.inputs) for batch in few)
    ways = {"bare forward": bare, "in memory": collect, "to a store": to_store}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):  # in turn, so that a busy machine slows all alike
        for name, way in ways.items():
            with timing.Stopwatch() as whole:
                way(batches)
            with timing.Stopwatch() as part:
                way(few)
            seconds[name].append(max(whole.wall - part.wall, 1e-9))
    rate = {name: (long - short) / float(np.median(s)) for name, s in seconds.items()}
    logits = np.concatenate(bare(batches))
    same = np.allclose(np.asarray(collect(batches)["head"]), logits, rtol=1e-5)
    return {
        "samples_per_second": rate,
        "of_bare": {name: rate[name] / rate["bare forward"] for name in rate},
        "goal": GOAL,
        "same_logits": bool(same),
    }


def main() -> None:
    """Measure, print, and append one JSON line if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=4096)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    sizes = {
        "num_samples": asked.samples,
        "batch_size": asked.batch_size,
        "repeats": asked.repeats,
    }
    record = {"benchmark": "collect"} | sizes | rates(**sizes) | timing.environment()
    for name, rate in record["samples_per_second"].items():
        share = record["of_bare"][name]
        print(f"{name:>12}: {rate:8.0f} samples/s, {share:.2f} of bare")
    print(f"goal {GOAL}; same logits: {record['same_logits']}")
    if asked.out:
        timing.append_line(asked.out, record)


if __name__ == "__main__":
    main()
