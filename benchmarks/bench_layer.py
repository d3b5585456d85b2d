"""How long does it take to explain a layer, and how far is that from the floor?

Two cases. nested: classes and the groups of a hierarchy, as many distinct concept rows
as classes. hostile: overlapping attributes, nearly all concept rows distinct. Each runs
in a process of its own, with

(a) this package: concept table, ranks, search and assembly, and all of it at once;
(b) the same search in plain NumPy on samples, on a few neurons, scaled;
(c) one call of scikit-learn's `roc_auc_score` per candidate, on a few, scaled;
(d) the floor: what no method that ranks and sums can do without.

Checks that (a) and (b) find the same formulas with the same scores.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import plain_numpy
import report
import timing
from cases import Case, hostile_case, nested_case
from jaxtyping import Float32, Int
from timing import Stopwatch, Timing, measure, median_of

import invert_jax as ij
from invert_jax.activations.array import Activations
from invert_jax.activations.reading import read_blocks
from invert_jax.concepts import synonyms
from invert_jax.concepts.table import Concepts
from invert_jax.engine import layer_search
from invert_jax.engine.plan import Plan, plan_search
from invert_jax.explanations.explanations import Explanations
from invert_jax.settings import SearchSettings

SEARCH = SearchSettings(max_length=3, beam_size=3, min_fraction=0.002, max_fraction=0.5)
QUIET = ij.Options(progress=False)
IN_MEMORY, ON_DISK = "a: explain", "a: explain, kept on disk"
GOALS = {
    "a/d": 2.0,
    "b/a": 10.0,
    "c/a": 100_000.0,
    f"{ON_DISK}/{IN_MEMORY}": 1.1,
    "peak_gib": 2.0,
}
NEURONS_TOGETHER, NEURONS_PER_PRODUCT = 64, 256  # where the floor is lowest


class Prepared(NamedTuple):
    """A layer to explain, and what searches it."""

    job: layer_search.Job
    plan: Plan


def prepare(layer: Activations, concepts: Concepts) -> Prepared:
    """The steps of `explain` before its first block."""
    neurons = np.arange(layer.num_neurons)
    searched = synonyms.searched_columns(concepts)
    job = layer_search.Job(
        layer, neurons, None, concepts, searched, SEARCH, QUIET, None
    )
    assert searched.table is not None
    plan = plan_search(searched.table, SEARCH, QUIET, count=len(neurons))
    return Prepared(job, plan)


def time_phases(layer: Activations, concepts: Concepts) -> dict[str, Timing]:
    """One pass with nothing overlapped: ranks, then search, then assembly, by block."""
    preparing, (job, plan) = measure(lambda: prepare(layer, concepts))
    ranking, searching, assembling = Stopwatch(), Stopwatch(), Stopwatch()
    blocks = read_blocks(layer, job.neurons, None, plan.size)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for _, activations in blocks:
            with ranking:
                block, ties = plan.blocks.ranker.rank(activations, plan.size, threads)
            with searching:
                ((found, _),) = plan.blocks.run(plan.program, [(block, None)])
            with assembling:
                job.arrays_of(found, ties)
    return {
        "prepare": preparing,
        "ranks": ranking.timing,
        "search": searching.timing,
        "assembly": assembling.timing,
    }


def time_ours(case: Case, *, repeats: int) -> tuple[dict[str, Timing], Explanations]:
    """(a), compile time apart."""

    def explain(options=QUIET):
        return ij.explain(
            case.activations,
            concepts,
            max_length=SEARCH.max_length,
            beam_size=SEARCH.beam_size,
            min_fraction=SEARCH.min_fraction,
            max_fraction=SEARCH.max_fraction,
            options=options,
        )

    def explain_on_disk():
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder, "labels")
            return explain(ij.Options(progress=False, output=output))

    table, concepts = measure(
        lambda: Concepts.from_masks(case.masks, case.names), repeats=repeats
    )
    first, _ = measure(explain)
    pairs = [(measure(explain), measure(explain_on_disk)[0]) for _ in range(repeats)]
    explanations = pairs[0][0][1]
    run = median_of([timing for (timing, _), _ in pairs])
    on_disk = median_of([timing for _, timing in pairs])
    reading, _ = measure(lambda: (explanations.scores, explanations.log10_p))
    layer = Activations(case.activations)
    phases = time_phases(layer, concepts)
    whole = Timing(table.wall + run.wall, table.cpu + run.cpu, run.spread, repeats)
    compiling = Timing(first.wall - run.wall, first.cpu - run.cpu)
    return {
        "a": whole,
        "a: concept table": table,
        IN_MEMORY: run,
        ON_DISK: on_disk,
        **{f"a: {name}": phase for name, phase in phases.items()},
        "a: scores, p-values": reading,
        "a: compile, once": compiling,
    }, explanations


def time_plain(
    case: Case, explanations: Explanations, neurons: Int[np.ndarray, " slice"]
) -> tuple[dict[str, Timing], int]:
    """(b), scaled to all neurons; and how many formulas were compared with (a)."""
    bounds = SEARCH.bounds(len(case.masks))
    rules = plain_numpy.Rules(SEARCH.max_length, SEARCH.beam_size, *bounds)
    preparing, table = measure(lambda: plain_numpy.prepare(case.masks))
    some = np.ascontiguousarray(case.activations[:, neurons])
    searching, beams = measure(lambda: plain_numpy.search(some, table, rules))
    compared = check_equal(explanations, beams, neurons)
    factor = case.activations.shape[1] / len(neurons)
    searching = searching.scaled(factor)
    whole = Timing(preparing.wall + searching.wall, preparing.cpu + searching.cpu)
    return {"b": whole, "b: prepare": preparing, "b: search": searching}, compared


def check_equal(
    ours: Explanations,
    plain: list[list[list[plain_numpy.Member]]],
    neurons: Int[np.ndarray, " slice"],
) -> int:
    """Raise if a formula or a bit of a score differs; the number of formulas."""
    compared = 0
    for neuron, steps in zip(neurons, plain, strict=True):
        for step in range(ours.max_length):
            beam = steps[step] if step < len(steps) else []
            at = ours.at_length(step + 1)
            got = [
                (str(at.formulas[neuron][rank]), at.scores[neuron, rank])
                for rank in range(ours.lengths[neuron, step].astype(bool).sum())
            ]
            want = [
                (_text(member, ours.concept_names), plain_numpy.auroc(member))
                for member in beam
            ]
            if got != want:
                raise SystemExit(
                    f"neuron {neuron}, length {step + 1}: got {got}, not {want}."
                )
            compared += len(want)
    return compared


def _text(member: plain_numpy.Member, names: tuple[str, ...]) -> str:
    """The formula of a member, as the package prints it."""
    return str(
        ij.Formula.from_literals(
            [names[literal // 2] for literal in member.literals],
            [bool(literal % 2) for literal in member.literals],
            ["or" if operator else "and" for operator in member.operators],
        )
    )


def time_sklearn(case: Case, *, num_calls: int, num_candidates: int) -> Timing:
    """(c), from a few calls on literals and conjunctions drawn at random."""
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    num_samples, num_concepts = case.masks.shape
    neurons = case.activations.T
    drawn: list[tuple[np.ndarray, int]] = []
    while len(drawn) < num_calls:
        one, other = rng.integers(num_concepts, size=2)
        mask = case.masks[:, one] & ~case.masks[:, other]
        if 0 < mask.sum() < num_samples:
            drawn.append((mask, int(rng.integers(case.activations.shape[1]))))
    calls = [partial(roc_auc_score, mask, neurons[at]) for mask, at in drawn]
    calls[0]()
    runs = [measure(call)[0] for call in calls]
    wall = float(np.median([run.wall for run in runs]))
    cpu = float(np.median([run.cpu for run in runs]))
    return Timing(wall, cpu, repeats=num_calls).scaled(num_candidates)


def time_floor(
    activations: Float32[np.ndarray, "samples neurons"],
    rows: Int[np.ndarray, " samples"],
    prepared: Prepared,
    *,
    repeats: int,
) -> dict[str, Timing]:
    """(d): sort, sum by row, multiply; each apart, without what joins them."""
    runs = [
        time_sums(activations, rows) | time_products(activations.shape[1], prepared)
        for _ in range(repeats)
    ]
    for run in runs:
        walls, cpus = zip(
            *((part.wall, part.cpu) for part in run.values()), strict=True
        )
        run["d"] = Timing(sum(walls), sum(cpus))
    return {name: median_of([run[name] for run in runs]) for name in runs[0]}


def time_sums(
    activations: Float32[np.ndarray, "samples neurons"],
    rows: Int[np.ndarray, " samples"],
) -> dict[str, Timing]:
    """NumPy's argsort of each neuron on two threads, and its sums by row."""
    sorting, summing = Stopwatch(), Stopwatch()
    with ThreadPoolExecutor(2) as threads:
        for start in range(0, activations.shape[1], NEURONS_TOGETHER):
            part = activations[:, start : start + NEURONS_TOGETHER]
            block = np.ascontiguousarray(part.T)
            with sorting:
                orders = list(threads.map(np.argsort, block))
            with summing:
                list(threads.map(partial(sum_rows, rows), orders))
    return {"d: argsort": sorting.timing, "d: bincount": summing.timing}


def sum_rows(
    rows: Int[np.ndarray, " samples"], order: Int[np.ndarray, " samples"]
) -> np.ndarray:
    """Sum of the ranks by row; without ties the ranks in order are known."""
    ranks = np.arange(1 - len(rows), len(rows), 2, dtype=np.float64)
    return np.bincount(rows[order], ranks)


def time_products(num_neurons: int, prepared: Prepared) -> dict[str, Timing]:
    """As many float32 products as the search needs, by the faster of NumPy and XLA.

    Each member of each step takes one row per limb of the sums and one for the counts;
    step 1 has one member. Nothing is filled up.
    """
    searched = prepared.job.searched
    assert searched.table is not None
    num_rows, num_concepts = searched.table.num_rows, len(searched.columns)
    num_columns = prepared.plan.blocks.layout.num_limbs + 1
    masks = np.ones((num_rows, num_concepts), np.float32)
    left = np.ones((NEURONS_PER_PRODUCT * num_columns, num_rows), np.float32)
    device_masks, device_left = jnp.asarray(masks), jnp.asarray(left)
    multiply = jax.jit(jnp.matmul)

    def by_xla():
        return multiply(device_left, device_masks).block_until_ready()

    ways = {"NumPy": lambda: left @ masks, "XLA": by_xla}
    by_xla()
    once = {name: measure(way, repeats=3)[0].wall for name, way in ways.items()}
    fastest = min(once, key=lambda name: once[name])
    num_products = -(-num_neurons // NEURONS_PER_PRODUCT) * num_members()
    whole, _ = measure(lambda: [ways[fastest]() for _ in range(num_products)])
    return {"d: products": whole}


def num_members() -> int:
    """Formulas that a search extends, the empty one among them."""
    return 1 + (SEARCH.max_length - 1) * SEARCH.beam_size


def num_candidates(num_concepts: int) -> int:
    """AUROC values of the search of one neuron; step 1 needs no negations."""
    return num_concepts + (num_members() - 1) * 4 * num_concepts


def run_case(name: str, sizes: argparse.Namespace) -> dict[str, Any]:
    """All times, ratios and checks of one case."""
    making, case = measure(lambda: make_case(name, sizes))
    num_neurons = case.activations.shape[1]
    before = timing.peak_memory()
    seconds, explanations = time_ours(case, repeats=sizes.repeats)
    beyond = timing.peak_memory() - case.activations.nbytes
    layer = Activations(case.activations)
    concepts = Concepts.from_masks(case.masks, case.names)
    prepared = prepare(layer, concepts)
    rows = np.asarray(concepts.row_of_sample)
    seconds |= time_floor(case.activations, rows, prepared, repeats=sizes.repeats)
    some = np.linspace(0, num_neurons - 1, min(sizes.slice, num_neurons)).astype(int)
    plain, compared = time_plain(case, explanations, np.unique(some))
    candidates = num_candidates(case.masks.shape[1]) * num_neurons
    seconds |= plain
    seconds["c"] = time_sklearn(case, num_calls=sizes.calls, num_candidates=candidates)
    return {
        "benchmark": "layer",
        "case": name,
        "num_samples": len(case.masks),
        "num_neurons": num_neurons,
        "num_concepts": case.masks.shape[1],
        "num_rows": concepts.num_rows,
        "num_searched": len(prepared.job.searched.columns),
        "num_candidates": candidates,
        "layout": prepared.plan.blocks.layout._asdict(),
        "block": prepared.plan.size,
        "seconds": {key: value._asdict() for key, value in seconds.items()},
        "making_inputs": making.wall,
        "ratios": ratios(seconds, beyond),
        "goals": GOALS if name == "nested" else {},
        "libraries": before - case.activations.nbytes,
        "peak_beyond_activations": beyond,
        "formulas_compared": compared,
        "same_answers": True,
        "mean_best_score": float(np.nanmean(explanations.scores[:, 0])),
        "num_labeled": int((explanations.status == "labeled").sum()),
        "example": str(explanations.formulas[0][0]),
        **timing.environment(),
    }


def ratios(seconds: dict[str, Timing], beyond: int) -> dict[str, float]:
    """What the goals speak of; on the clock, and in processor seconds."""
    pairs = [("a", "d"), ("b", "a"), ("c", "a"), (ON_DISK, IN_MEMORY)]
    on_the_clock = {f"{x}/{y}": seconds[x].wall / seconds[y].wall for x, y in pairs}
    by_cpu = {f"{x}/{y} cpu": seconds[x].cpu / seconds[y].cpu for x, y in pairs}
    return on_the_clock | by_cpu | {"peak_gib": beyond / (1 << 30)}


def make_case(name: str, sizes: argparse.Namespace) -> Case:
    """The inputs of a case."""
    shape = {"num_samples": sizes.samples, "num_neurons": sizes.neurons}
    if name == "hostile":
        return hostile_case(**shape, num_attributes=sizes.attributes, seed=0)
    return nested_case(
        **shape, num_classes=sizes.classes, num_groups=sizes.groups, seed=0
    )


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default, meaning in (
        ("samples", 50_000, "samples"),
        ("neurons", 2_048, "neurons"),
        ("classes", 1_000, "classes of the nested case"),
        ("groups", 472, "groups of the nested case"),
        ("attributes", 40, "attributes of the hostile case"),
        ("slice", 64, "neurons that plain NumPy explains"),
        ("calls", 20, "calls of roc_auc_score"),
        ("repeats", 3, "repeats of what is timed"),
    ):
        parser.add_argument(f"--{name}", type=int, default=default, help=meaning)
    parser.add_argument(
        "--case",
        choices=("nested", "hostile"),
        action="append",
        help="both if not given",
    )
    parser.add_argument("--out", type=Path, help="file to add the JSON lines to")
    return parser.parse_args(arguments)


def main() -> None:
    options = parse()
    cases = options.case or ["nested", "hostile"]
    if len(cases) > 1:
        for case in cases:
            command = [sys.executable, os.path.abspath(__file__), *sys.argv[1:]]
            subprocess.run([*command, "--case", case], check=True)
        return
    record = run_case(cases[0], options)
    print(report.layer_table(record))
    if options.out:
        timing.append_line(options.out, record)


if __name__ == "__main__":
    main()
