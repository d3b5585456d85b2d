"""One process of `bench_start.py`: its imports and its first calls, as a JSON line.

python benchmarks/start_process.py DOOR SAMPLES CONCEPTS STARTED

STARTED is the time at which the process was asked for. Only what every version of the
package has is called, and all times are JAX's own or of the call as a whole.
"""

import os
import sys
import time
from collections import defaultdict
from threading import get_ident

NUM_NEURONS = 10
SESSION_NEURONS = (16, 64, 256, 512, 1_024, 2_048)
SEARCH = {"max_length": 3, "beam_size": 5}
PHASES = {
    "/jax/core/compile/jaxpr_trace_duration": "trace",
    "/jax/core/compile/jaxpr_to_mlir_module_duration": "lower",
    "/jax/core/compile/backend_compile_duration": "compile",
}
READ = "/jax/compilation_cache/cache_retrieval_time_sec"
LONG = 0.5


def clocks():
    """Seconds on the clock, and of all threads of this process on the processor."""
    return time.perf_counter(), time.process_time()


def since(begun):
    """Seconds by both clocks."""
    return [now - then for now, then in zip(clocks(), begun, strict=True)]


def resident_mib():
    """Memory of this process; nan where the system does not say."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:
        return float("nan")


class Phases:
    """Adds up what JAX says that it does, each phase without those inside it.

    Tracing a function traces those that it calls, and lowering may trace, so that
    the plain sum of JAX's durations counts some seconds several times.
    """

    def __init__(self, monitoring):
        self.running = defaultdict(list)
        self.clear()
        monitoring.register_scalar_listener(self._begin)
        monitoring.register_event_duration_secs_listener(self._end)

    def clear(self):
        """Forget what was added up."""
        self.seconds = {name: [0.0, 0.0] for name in (*PHASES.values(), "read")}
        self.programs = self.read = self.long = 0

    def _begin(self, event, value, **_):
        if event in PHASES:
            self.running[get_ident()].append((clocks(), [0.0, 0.0], self.read))

    def _end(self, event, duration, **_):
        if event == READ:
            self.read += 1
            self.seconds["read"][0] += duration
        if event not in PHASES:
            return
        running = self.running[get_ident()]
        begun, inside, read = running.pop()
        spent = since(begun)
        for index in range(2):
            self.seconds[PHASES[event]][index] += spent[index] - inside[index]
            if running:
                running[-1][1][index] += spent[index]
        if PHASES[event] == "compile" and self.read == read:
            self.programs += 1
            # On a busy machine the clock says too much, beside other threads the
            # processor does.
            self.long += min(spent) > LONG

    def of(self, call):
        """What one call takes."""
        self.clear()
        begun = clocks()
        call()
        seconds = {"call": since(begun)} | self.seconds
        counts = {"programs": self.programs, "long": self.long, "read": self.read}
        counts["MiB"] = resident_mib()
        return {"seconds": seconds, "counts": counts}


class World:
    """What the calls are about."""

    def __init__(self, ij, num_samples, num_concepts, widths=(NUM_NEURONS,)):
        import numpy as np

        rng = np.random.default_rng(0)
        self.ij, self.quiet = ij, ij.Options(progress=False)
        self.masks = rng.random((num_samples, num_concepts)) < 0.3
        names = [f"c{index}" for index in range(num_concepts)]
        self.concepts = ij.Concepts.from_masks(self.masks, names)
        self.layers = {
            str(width): rng.normal(size=(num_samples, width)).astype(np.float32)
            for width in widths
        }
        self.layer = self.layers[str(widths[0])]

    def explain(self, **settings):
        """The formulas of the first layer."""
        return self.ij.explain(
            self.layer, self.concepts, **SEARCH, **settings, options=self.quiet
        )

    def null_of(self, found):
        """Two hundred draws of the null."""
        return self.ij.null_distribution(
            self.concepts, found, num_draws=200, key=0, options=self.quiet
        )

    def study(self):
        """Explain all layers with a holdout, and draw their null."""
        options = {"holdout": 0.5, "key": 0, "options": self.quiet}
        found = self.ij.explain(self.layers, self.concepts, **SEARCH, **options)
        self.null_of(found)


def twice(call):
    """The same call a first and a second time."""
    return {"first": call, "second": call}


def explain_calls(world):
    """`explain`, up to a formula to read."""
    return twice(lambda: str(world.explain().formulas[0][0]))


def holdout_calls(world):
    """`explain` with samples held out."""
    return twice(lambda: world.explain(holdout=0.5, key=0))


def command_calls(world):
    """`invert-jax explain` of files, as a shell runs it; its imports are done before.

    pyarrow loads pandas, where there is any, when it makes its first array.
    """
    import tempfile
    from pathlib import Path
    from unittest import mock

    import numpy as np
    import pyarrow.csv
    import rich.progress
    import rich.table  # noqa: F401

    from invert_jax.cli.main import main as run

    pyarrow.array([0])

    def command():
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            np.savez(folder / "layer.npz", layer=world.layer)
            world.concepts.save(folder / "concepts.npz")
            files = [str(folder / file) for file in ("layer.npz", "concepts.npz")]
            words = ["invert-jax", "explain", *files, "-o", str(folder / "found")]
            with mock.patch.object(sys, "argv", words):
                if run():
                    raise SystemExit("The command failed.")

    return twice(command)


def auroc_calls(world):
    """`auroc`."""
    return twice(lambda: world.ij.auroc(world.layer, world.masks, options=world.quiet))


def null_calls(world):
    """`null_distribution` of what was explained."""
    found = world.explain()
    return twice(lambda: world.null_of(found))


def report_calls(world):
    """`report` of what was explained, with its inputs."""
    import tempfile
    from pathlib import Path

    found = world.explain()
    inputs = {"activations": world.layer, "concepts": world.concepts}

    def report():
        with tempfile.TemporaryDirectory() as folder:
            world.ij.report(found, Path(folder) / "report.html", **inputs)

    return twice(report)


def collect_calls(world):
    """`collect`, and again with other layers of the same model."""
    import flax.linen as nn
    import jax
    import numpy as np

    class Network(nn.Module):
        @nn.compact
        def __call__(self, images):
            for index, width in enumerate((8, 16, 32)):
                images = nn.relu(nn.Conv(width, (3, 3), name=f"conv{index}")(images))
            return nn.Dense(10, name="head")(images.mean((1, 2)))

    model = Network()
    images = np.random.default_rng(0).random((256, 16, 16, 3), np.float32)
    batches = world.ij.activations.batched(images, 64)
    variables = model.init(jax.random.key(0), images[:1])

    def collect(*layers):
        return lambda: world.ij.activations.collect(
            model, batches, variables=variables, layers=layers, progress=False
        )

    return {
        "first": collect("conv1", "head"),
        "other layers": collect("conv0", "conv2"),
        "first layers again": collect("conv1", "head"),
    }


def session_calls(world):
    """Six layers explained, and their null; then by a larger table."""
    num_samples, num_concepts = world.masks.shape
    larger = World(
        world.ij, num_samples * 6 // 5, num_concepts * 6 // 5, SESSION_NEURONS
    )
    layers = World(world.ij, num_samples, num_concepts, SESSION_NEURONS)
    return {"table": layers.study, "larger table": larger.study}


def shapes_calls(world):
    """Fifty tables of fifty sizes, ten at a time."""
    num_samples, num_concepts = world.masks.shape
    sizes = iter(range(30 * num_concepts, 130 * num_concepts, 2 * num_concepts))

    def explain_some():
        for _ in range(10):
            World(world.ij, num_samples, next(sizes)).explain()

    return {f"{upto} tables": explain_some for upto in range(10, 60, 10)}


DOORS = {
    "explain": explain_calls,
    "explain, holdout": holdout_calls,
    "command": command_calls,
    "auroc": auroc_calls,
    "null_distribution": null_calls,
    "report": report_calls,
    "collect": collect_calls,
    "session": session_calls,
    "shapes": shapes_calls,
}


def main(door, num_samples, num_concepts, started):
    begun = clocks()
    import jax

    of_jax = since(begun)
    begun = clocks()
    import invert_jax as ij

    imports = {"import jax": of_jax, "import invert_jax": since(begun)}
    phases = Phases(jax.monitoring)
    calls = DOORS[door](World(ij, int(num_samples), int(num_concepts)))
    found, answered = {}, None
    for name, call in calls.items():
        found[name] = phases.of(call)
        answered = answered or [time.time() - float(started), time.process_time()]

    import json

    seconds = imports | {"to the first answer": answered}
    record = {"door": door, "folder": ij.__path__[0], "seconds": seconds}
    print(json.dumps(record | {"calls": found}))


if __name__ == "__main__":
    main(*sys.argv[1:])
