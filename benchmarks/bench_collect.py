"""How much slower is `collect` than the model alone?

Samples per second of `collect`, in memory and to a store, against a bare jitted forward
pass over the same batches. What a run costs whatever its length (tracing, compiling,
opening the store) is left out by taking the difference between a long and a short run.
The goal is 0.9 of the bare rate.

    python benchmarks/bench_collect.py
"""

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import numpy as np
import timing

import invert_jax as ij

GOAL = 0.9
LAYERS = "stage*"


class Plain(nn.Module):
    """Four convolutions: so little work per number that pooling shows most."""

    widths: tuple[int, ...] = (32, 64, 128, 256)

    @nn.compact
    def __call__(self, images):
        """Logits of images [samples, 32, 32, 3]."""
        for index, width in enumerate(self.widths):
            strides = (1, 1) if index == 0 else (2, 2)
            stage = nn.Conv(width, (3, 3), strides=strides, name=f"stage{index}")
            images = nn.relu(stage(images))
        return nn.Dense(100, name="head")(images.mean((1, 2)))


class Stage(nn.Module):
    """Two residual blocks of a ResNet18."""

    width: int
    stride: int

    @nn.compact
    def __call__(self, x):
        """The output of the second block."""
        for stride in (self.stride, 1):
            y = nn.Conv(self.width, (3, 3), (stride, stride), use_bias=False)(x)
            y = nn.relu(nn.BatchNorm(use_running_average=True)(y))
            y = nn.Conv(self.width, (3, 3), use_bias=False)(y)
            y = nn.BatchNorm(use_running_average=True)(y)
            if x.shape != y.shape:
                x = nn.Conv(self.width, (1, 1), (stride, stride), use_bias=False)(x)
            x = nn.relu(x + y)
        return x


class ResNet18(nn.Module):
    """A ResNet18 for images of 32 x 32, of half the usual width."""

    width: int = 32

    @nn.compact
    def __call__(self, images):
        """Logits of images [samples, 32, 32, 3]."""
        x = nn.relu(nn.Conv(self.width, (3, 3), use_bias=False)(images))
        for index in range(4):
            stage = Stage(self.width << index, 1 + (index > 0), name=f"stage{index}")
            x = stage(x)
        return nn.Dense(100, name="head")(x.mean((1, 2)))


NETWORKS = {"resnet18": ResNet18, "plain": Plain}


def rates(
    network: str, *, num_samples: int, batch_size: int, repeats: int
) -> dict[str, Any]:
    """Samples per second of each way, and whether they give the same numbers."""
    images = np.random.default_rng(0).normal(size=(num_samples, 32, 32, 3))
    ids = np.arange(num_samples)
    batches = ij.activations.batched(images.astype(np.float32), batch_size, ids=ids)
    few = batches[: max(1, len(batches) // 8)]
    model = NETWORKS[network]()
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
    count = num_samples - sum(len(batch.inputs) for batch in few)
    ways = {"bare forward": bare, "in memory": collect, "to a store": to_store}
    runs: dict[str, list[timing.Timing]] = {name: [] for name in ways}
    for _ in range(repeats):  # in turn, so that a busy machine slows all alike
        for name, way in ways.items():
            with timing.Stopwatch() as whole:
                way(batches)
            with timing.Stopwatch() as part:
                way(few)
            runs[name].append(
                timing.Timing(whole.wall - part.wall, whole.cpu - part.cpu)
            )
    logits = np.concatenate(bare(batches))
    same = np.allclose(np.asarray(collect(batches)["head"]), logits, rtol=1e-5)
    medians = {name: timing.median_of(each) for name, each in runs.items()}
    return {
        "samples_per_second": {name: count / of.wall for name, of in medians.items()},
        "of_bare": {name: shares_of_bare(runs, name, "wall") for name in ways},
        "of_bare_cpu": {name: shares_of_bare(runs, name, "cpu") for name in ways},
        "goal": GOAL,
        "same_logits": bool(same),
    }


def shares_of_bare(runs: dict[str, list[timing.Timing]], way: str, clock: str) -> float:
    """Median over the repeats of the rate of one way over the bare one."""
    pairs = zip(runs["bare forward"], runs[way], strict=True)
    return statistics.median(
        getattr(bare, clock) / getattr(other, clock) for bare, other in pairs
    )


def main() -> None:
    """Measure, print, and append one JSON line if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", choices=NETWORKS, default="resnet18")
    parser.add_argument("--samples", type=int, default=2048)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    sizes = {
        "num_samples": asked.samples,
        "batch_size": asked.batch_size,
        "repeats": asked.repeats,
    }
    found = rates(asked.network, **sizes)
    record = {"benchmark": "collect", "network": asked.network} | sizes | found
    record |= timing.environment()
    for name, rate in record["samples_per_second"].items():
        share, of_cpu = record["of_bare"][name], record["of_bare_cpu"][name]
        print(f"{name:>12}: {rate:8.0f} samples/s, {share:.2f} of bare ({of_cpu:.2f} "
              "by processor seconds)")  # fmt: skip
    print(f"goal {GOAL}; same logits: {record['same_logits']}")
    if asked.out:
        timing.append_line(asked.out, record)


if __name__ == "__main__":
    main()
