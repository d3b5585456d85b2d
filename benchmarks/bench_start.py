"""How long does it take from the start of a process to the first answer?

Each figure is of fresh processes (`start_process.py`), without a compilation cache and
with one that a process before has filled; where JAX spends it is what its monitoring
events say. Medians over the processes; with `--against`, a checkout of another version,
the two take turns, and ratios are medians over the pairs.

explain: its phases, for ten neurons of two tables, with goals; from a cache, compiling
is reading.
command: `invert-jax explain` of files, as a shell runs it, after its imports.
the other doors: the first call and the second, for `collect` of other layers.
session: six layers of 16 to 2,048 neurons with a holdout, and 200 draws of their null;
then the same of a table with a fifth more samples and concepts. One pair of processes.
shapes: fifty tables of fifty sizes in one process, and the memory it holds meanwhile.

    python benchmarks/bench_start.py --against ../older
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import report
import start_process
import timing
from timing import Timing, median_of

ROOT = Path(__file__).resolve().parents[1]
SIZES = {"small": (1_000, 10), "large": (10_000, 100)}
SESSION = (2_000, 50)
# Long doors: one process of each tree.
ONCE = ("session", "shapes")
COMPILING = ("trace", "lower", "compile")
ANSWER = "to the first answer"
GOALS = {
    "trace + lower + compile, new/old": 0.4,
    f"{ANSWER}, s": 2.5,
    f"{ANSWER}, s, from the cache": 1.3,
    f"{ANSWER}/import jax": 5.5,
    "both imports/import jax": 2.0,
    "beyond the imports and a warm search, s": 0.6,
    "programs of over 0.5 s": 3,
    "memory after 50 tables/after 10": 1.25,
}
Steps = dict[str, Timing]
Process = dict[str, Any]


def start(tree: Path, door: str, size: tuple[int, int], cache: Path | None) -> Process:
    """What a fresh process with the package of `tree` tells."""
    words = [sys.executable, start_process.__file__, door, *map(str, size)]
    done = subprocess.run(
        [*words, repr(time.time())],
        env=environment_of(tree, cache),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{door} of {tree}:\n{done.stderr}")
    process = json.loads(done.stdout.splitlines()[-1])
    if Path(process["folder"]).resolve() != tree / "invert_jax":
        raise SystemExit(f"{tree} was asked for, {process['folder']} was measured.")
    return process


def environment_of(tree: Path, cache: Path | None) -> dict[str, str]:
    """The variables of a process; without a cache it neither reads nor writes any."""
    paths = filter(None, [str(tree), os.environ.get("PYTHONPATH")])
    variables = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    if cache is None:
        variables.pop("JAX_COMPILATION_CACHE_DIR", None)
        return variables | {"JAX_ENABLE_COMPILATION_CACHE": "false"}
    return variables | {
        "JAX_ENABLE_COMPILATION_CACHE": "true",
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }


def in_turn(
    runs: Mapping[str, Callable[[], Process]], num_pairs: int
) -> dict[str, list[Process]]:
    """The processes of each tree; every other pair begins with the other tree."""
    found: dict[str, list[Process]] = {name: [] for name in runs}
    for pair in range(num_pairs):
        for name in list(runs)[:: -1 if pair % 2 else 1]:
            found[name].append(runs[name]())
    return found


def measure_door(
    trees: dict[str, Path], door: str, size: tuple[int, int], num_pairs: int
) -> list[dict[str, Any]]:
    """A door without a cache and with one; what is long once, without."""
    about = {"door": door, "num_samples": size[0], "num_concepts": size[1]}
    with tempfile.TemporaryDirectory() as folder:
        warm = {
            name: partial(start, tree, door, size, Path(folder, name))
            for name, tree in trees.items()
        }
        cold = {
            name: partial(start, tree, door, size, None) for name, tree in trees.items()
        }
        if door in ONCE:
            return [about | summary(in_turn(cold, 1), door, cached=False)]
        in_turn(warm, 1)  # fills the caches, and compiles Python's own
        return [
            about | summary(in_turn(cold, num_pairs), door, cached=False),
            about | summary(in_turn(warm, num_pairs), door, cached=True),
        ]


def summary(
    found: dict[str, list[Process]], door: str, *, cached: bool
) -> dict[str, Any]:
    """Medians, counts and ratios of the processes of each tree, and their goals."""
    steps = {name: list(map(steps_of, runs)) for name, runs in found.items()}
    return {
        "cached": cached,
        "seconds": {
            name: {
                step: median_of([run[step] for run in runs])._asdict()
                for step in runs[0]
            }
            for name, runs in steps.items()
        },
        "counts": {name: counts_of(runs) for name, runs in found.items()},
        "ratios": ratios_of(steps),
        "goals": {
            goal: of | {"at most": GOALS[goal]}
            for goal, of in goals_of(found["new"], steps, cached=cached).items()
        },
    }


def steps_of(process: Process) -> Steps:
    """All times that a process told, and what follows from them."""
    steps = {name: Timing(*pair) for name, pair in process["seconds"].items()}
    for call, found in process["calls"].items():
        steps |= {
            f"{call}: {phase}": Timing(*pair)
            for phase, pair in found["seconds"].items()
        }
        steps[f"{call}: trace + lower + compile"] = total(
            steps[f"{call}: {phase}"] for phase in COMPILING
        )
    steps["both imports"] = total([steps["import jax"], steps["import invert_jax"]])
    if process["door"] == "explain":
        parts = ("both imports", "first: trace + lower + compile", "second: call")
        known = total(steps[part] for part in parts)
        steps["everything else"] = total([steps[ANSWER], known.scaled(-1)])
    return steps


def over(one: Timing, other: Timing) -> Timing:
    """The ratio of two steps, by both clocks."""
    return Timing(one.wall / other.wall, one.cpu / other.cpu)


def total(timings: Iterable[Timing]) -> Timing:
    """Several steps of one process as one."""
    walls, cpus = zip(*((each.wall, each.cpu) for each in timings), strict=True)
    return Timing(sum(walls), sum(cpus))


def counts_of(runs: Sequence[Process]) -> dict[str, dict[str, float]]:
    """Of each call how many programs were compiled, and read from the cache."""
    return {
        call: {
            name: statistics.median(run["calls"][call]["counts"][name] for run in runs)
            for name in found["counts"]
        }
        for call, found in runs[0]["calls"].items()
    }


def ratios_of(steps: dict[str, list[Steps]]) -> dict[str, dict[str, float]]:
    """New over old of each step that takes any time in both, by both clocks."""
    pairs = list(zip(steps["new"], steps.get("old", ()), strict=False))
    return {
        step: both(median_of([over(new[step], old[step]) for new, old in pairs]))
        for step in steps["new"][0]
        if pairs and all(old[step].wall and old[step].cpu for _, old in pairs)
    }


def goals_of(
    processes: list[Process], steps: dict[str, list[Steps]], *, cached: bool
) -> dict[str, dict[str, float]]:
    """What `GOALS` say of a door, by both clocks; of some without a cache alone."""
    new, door = steps["new"], processes[0]["door"]
    if door == "session":
        calls = processes[0]["calls"].values()
        long = sum(call["counts"]["long"] for call in calls)
        return {"programs of over 0.5 s": both(Timing(long, long))}
    if door == "shapes":
        memory = [call["counts"]["MiB"] for call in processes[0]["calls"].values()]
        grown = memory[-1] / memory[0]
        return {"memory after 50 tables/after 10": both(Timing(grown, grown))}
    if door == "command" and cached:
        # Of the first call in the process: programs come from the cache of another.
        extra = [
            total([run["first: call"], run["second: call"].scaled(-1)]) for run in new
        ]
        return {"beyond the imports and a warm search, s": both(median_of(extra))}
    if door != "explain":
        return {}
    found = {
        f"{ANSWER}, s{', from the cache' if cached else ''}": both(
            median_of([run[ANSWER] for run in new])
        ),
        "both imports/import jax": both(
            median_of([over(run["both imports"], run["import jax"]) for run in new])
        ),
    }
    if not cached:
        found[f"{ANSWER}/import jax"] = both(
            median_of([over(run[ANSWER], run["import jax"]) for run in new])
        )
        compiling = ratios_of(steps).get("first: trace + lower + compile")
        found |= {"trace + lower + compile, new/old": compiling} if compiling else {}
    return found


def both(of: Timing) -> dict[str, float]:
    """By both clocks."""
    return {"wall": of.wall, "cpu": of.cpu}


def commit_of(tree: Path) -> str:
    """The commit of a checkout, marked if files differ; empty if there is none."""
    words = ["git", "-C", str(tree), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(words, capture_output=True, text=True).stdout.strip()
    except FileNotFoundError:
        return ""


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Everything, as one record."""
    trees = {"new": ROOT}
    if options.against:
        trees["old"] = options.against.resolve()
    runs = []
    for door in options.door or start_process.DOORS:
        sizes = [SIZES["small"]]
        if door == "explain":
            sizes = [SIZES[name] for name in options.size or SIZES]
        for size in [SESSION] if door == "session" else sizes:
            runs += measure_door(trees, door, size, options.pairs)
    return {
        "benchmark": "start",
        "trees": {name: commit_of(tree) for name, tree in trees.items()},
        "num_neurons": start_process.NUM_NEURONS,
        "search": start_process.SEARCH,
        "num_pairs": options.pairs,
        "runs": runs,
        **timing.environment(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--against", type=Path, help="checkout of another version")
    parser.add_argument("--pairs", type=int, default=5, help="processes of each kind")
    for name, choices in (("door", start_process.DOORS), ("size", SIZES)):
        parser.add_argument(
            f"--{name}", choices=choices, action="append", help="all if not given"
        )
    parser.add_argument("--out", type=Path, help="file to add the JSON line to")
    options = parser.parse_args()
    record = run(options)
    print(report.start_table(record))
    if options.out:
        timing.append_line(options.out, record)


if __name__ == "__main__":
    main()
