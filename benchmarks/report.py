"""Tables of benchmark results, from their JSON lines.

python benchmarks/report.py benchmarks/results/*.jsonl
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

MEANINGS = {
    "a": "(a) this package",
    "b": "(b) plain NumPy, scaled",
    "c": "(c) one roc_auc_score per candidate, scaled",
    "d": "(d) floor",
}
# A goal is an upper bound on the ratios named here, a lower one on the others.
UPPER = ("a/d", "peak_gib", "a: explain, kept on disk/a: explain")


def layer_table(record: dict[str, Any]) -> str:
    """The times of a case, its ratios beside their goals, and what was checked."""
    rows = []
    for name, timing in sorted(record["seconds"].items()):
        label, _, step = name.partition(": ")
        title = f"- {step}" if step else MEANINGS[label]
        rows.append((title, *seconds_of(timing)))
    times = markdown(("step", "wall s", "spread s", "CPU s"), rows)
    goals = record["goals"]
    shown = [
        (name, f"{value:,.3g}", f"{value_cpu:,.3g}", goal_of(name, value, goals))
        for name, value, value_cpu in ratio_rows(record["ratios"])
    ]
    ratios = markdown(("ratio", "wall", "CPU", "goal"), shown)
    return "\n".join(
        (
            f"### {record['case']}: {sizes_of(record)}",
            machine_of(record),
            "",
            times,
            "",
            ratios,
            "",
            f"Peak memory beyond the activations: "
            f"{record['peak_beyond_activations'] / 2**20:,.0f} MiB, of which "
            f"{record['libraries'] / 2**20:,.0f} MiB libraries, interpreter and masks. "
            f"(a) and (b) agree on {record['formulas_compared']} formulas and the bits "
            f"of their scores. Labeled {record['num_labeled']} of "
            f"{record['num_neurons']} neurons, mean best AUROC "
            f"{record['mean_best_score']:.4f}; the first is {record['example']}.",
            "",
        )
    )


def scaling_table(record: dict[str, Any]) -> str:
    """The times by size, and what growth they show."""
    parts = [f"### scaling: {record['num_concepts']} concepts", machine_of(record), ""]
    for axis, runs in record["runs"].items():
        rows = [
            (f"{run['size']:,}", *seconds_of(run["seconds"]), f"{run['growth']:.2f}",
             f"{run['growth_cpu']:.2f}", f"{run['mean_best_score']:.4f}")
            for run in runs
        ]  # fmt: skip
        growth = f"growth over {record['expected'][axis]}"
        header = (axis, "wall s", "spread s", "CPU s", growth, "by CPU", "mean AUROC")
        parts += [markdown(header, rows), ""]
    return "\n".join(parts)


def null_cost_table(record: dict[str, Any]) -> str:
    """The time of the null beside that of explaining as many neurons."""
    rows = [(step, *seconds_of(timing)) for step, timing in record["seconds"].items()]
    score = record["best score"]
    return "\n".join(
        (
            f"### cost of the null: {record['num_draws']:,} draws of "
            f"{counted(record['num_patterns'], 'tie pattern')}, "
            f"{record['num_samples']:,} samples, {record['num_concepts']:,} concepts",
            machine_of(record),
            "",
            markdown(("step", "wall s", "spread s", "CPU s"), rows),
            "",
            f"Null over explain: {record['ratio']:.2f} by the clock, "
            f"{record['ratio cpu']:.2f} by CPU. Best score without a meaning: median "
            f"{score['50 %']:.3f}, 95 % point {score['95 %']:.3f}.",
            "",
        )
    )


def null_level_table(record: dict[str, Any]) -> str:
    """How often neurons without a meaning are called significant, by their ties."""
    rows = [
        (name, f"{found['level']:.1%}", f"{len(found['patterns'])}",
         f"{found['95 %']:.4f}")
        for name, found in record["levels"].items()
    ]  # fmt: skip
    return "\n".join(
        (
            f"### level of p_search at {record['alpha']:.0%}, {record['case']}: "
            f"{record['num_neurons']:,} neurons of each kind, {record['num_draws']:,} "
            f"draws, {record['num_samples']:,} samples, {record['num_concepts']:,} "
            "concepts",
            machine_of(record),
            "",
            markdown(("neurons", "level", "patterns", "95 % of scores"), rows),
            "",
            f"Monte-Carlo error of a level: {record['error']:.1%}.",
            "",
        )
    )


def null_figure_table(record: dict[str, Any]) -> str:
    """The numbers of the figure: textbook p-values beside those after the search."""
    rows = [
        (name, f"{found['best score']['50 %']:.3f}",
         f"{found['best score']['95 %']:.3f}", f"{found['textbook p']:.1e}",
         f"{found['level']['textbook']:.1%}",
         f"{found['level']['p_search']:.1%}")
        for name, found in record["kinds"].items()
    ]  # fmt: skip
    alpha = f"{record['alpha']:.0%}"
    header = (
        "neurons", "median AUROC", "95 % point", "median textbook p",
        f"textbook p ≤ {alpha}", f"p_search ≤ {alpha}",
    )  # fmt: skip
    return "\n".join(
        (
            f"### neurons without a meaning: {record['num_neurons']:,} of each kind, "
            f"{record['num_draws']:,} draws, {record['num_samples']:,} samples",
            machine_of(record),
            "",
            markdown(header, rows),
            "",
            f"Monte-Carlo error of a level: {record['error']:.1%}.",
            "",
        )
    )


def truth_table(record: dict[str, Any]) -> str:
    """How planted formulas and noise fare, by strength and zeros."""
    names = ("same", "as good", "overlap", "power", "false", "noise labeled")
    rows = [
        (kind, *(f"{found[name]:.1%}" for name in names), f"{found['auroc']:.3f}",
         f"{found['optimism']:.3f}", f"{found['optimism of noise']:.3f}")
        for kind, found in record["results"].items()
    ]  # fmt: skip
    header = ("neurons", *names, "AUROC", "optimism", "of noise")
    return "\n".join(
        (
            f"### planted formulas: {record['num_planted']:,} and as much noise, "
            f"{record['num_samples']:,} samples, {record['num_concepts']:,} concepts, "
            f"{record['num_draws']:,} draws",
            machine_of(record),
            "",
            markdown(header, rows),
            "",
        )
    )


def counts_table(record: dict[str, Any]) -> str:
    """How many nulls counting neurons need, and their level."""
    levels = ("p <= 0.01", "p <= 0.05", "p <= 0.2")
    rows = [
        (kind, f"{found['patterns']:,}", f"{found['nulls']}",
         *(f"{found[level]:.1%}" for level in levels))
        for kind, found in record["results"].items()
    ]  # fmt: skip
    return "\n".join(
        (
            f"### counts: {record['num_neurons']:,} neurons without a meaning, "
            f"{record['num_samples']:,} samples, {record['num_draws']:,} draws",
            machine_of(record),
            "",
            markdown(("neurons", "patterns of ties", "nulls", *levels), rows),
            "",
        )
    )


def meaning_table(record: dict[str, Any]) -> str:
    """Ways to choose labels, planted concepts, coverage and cost."""
    columns = {
        "seen": "seen at the top", "auroc": "held-out AUROC",
        "average_precision": "AP", "precision_at_top": "top 20",
        "misses_top": "misses top", "at_bound": "at bound",
        "idle_literal": "idle literal", "rarer_concept": "rarer concept",
    }  # fmt: skip
    rows = [
        (name, *(f"{found[column]:.3f}" for column in columns),
         "/".join(map(str, found["lengths"])))
        for part in ("labels", "bounds")
        for name, found in record[part].items()
    ]  # fmt: skip
    facts = [
        (f"{part}: {name}", f"{value:.3g}")
        for part in ("planted", "intervals", "cost")
        for name, value in record[part].items()
    ]
    return "\n".join(
        (
            f"### meaning: {record['num_words']:,} words, "
            f"{record['num_neurons']:,} neurons",
            machine_of(record),
            "",
            markdown(("labels", *columns.values(), "of 1/2/3 literals"), rows),
            "",
            markdown(("", ""), facts),
            "",
        )
    )


def start_table(record: dict[str, Any]) -> str:
    """The phases up to the first answer, their goals, and the calls of other doors."""
    trees = " against ".join(" ".join(tree) for tree in record["trees"].items())
    parts = [
        f"### start: {trees}; {counted(record['num_pairs'], 'process', 'processes')} "
        "of each kind, one of a session",
        machine_of(record),
        "",
    ]
    explained = [run for run in record["runs"] if run["door"] == "explain"]
    with_goals = [run for run in record["runs"] if run["goals"]]
    others = [run for run in record["runs"] if run["door"] != "explain"]
    for run in explained:
        parts += [f"#### {start_of(run)}", "", phases_table(run), ""]
    if with_goals:
        parts += [start_goals_table(with_goals), ""]
    if others:
        parts += [calls_table(others), ""]
    return "\n".join(parts)


def phases_table(run: dict[str, Any]) -> str:
    """The phases of the processes of each tree, and new over old."""
    whole = "trace + lower + compile"
    steps = {
        "import jax": "import jax",
        "import invert_jax": "import invert_jax",
        whole: f"first: {whole}",
        **{f"- {phase}": f"first: {phase}" for phase in whole.split(" + ")},
        "run": "second: call",
        "everything else": "everything else",
        "to the first answer": "to the first answer",
    }
    trees, rows = run["seconds"], []
    for title, step in steps.items():
        of_trees = [trees[name][step] for name in trees]
        cells = [f"{of[clock]:,.3f}" for of in of_trees for clock in ("wall", "cpu")]
        ratios = [f"{ratio:.2f}" for ratio in run["ratios"].get(step, {}).values()]
        rows.append((title, *cells, *(ratios or [""] * 2 * (len(trees) > 1))))
    titles = [f"{name} {clock} s" for name in trees for clock in ("wall", "CPU")]
    header = ("step", *titles, *["new/old", "by CPU"] * (len(trees) > 1))
    return markdown(header, rows)


def start_goals_table(runs: Sequence[dict[str, Any]]) -> str:
    """Each goal, and whether it is reached by either clock."""
    rows = []
    for run in runs:
        for goal, found in run["goals"].items():
            limit = found["at most"]
            values = [
                f"{found[clock]:.2f} {'reached' if found[clock] <= limit else 'missed'}"
                for clock in ("wall", "cpu")
            ]
            rows.append((f"{goal} ({start_of(run)})", f"≤ {limit:g}", *values))
    return markdown(("goal", "", "wall", "CPU"), rows)


def calls_table(runs: Sequence[dict[str, Any]]) -> str:
    """Processor seconds of each call, those of compiling, and how many programs."""
    rows = []
    for run in runs:
        for call in next(iter(run["counts"].values())):
            cells, ratios = [], []
            for name, counts in run["counts"].items():
                seconds = run["seconds"][name]
                compiling = seconds[f"{call}: trace + lower + compile"]["cpu"]
                cells += [f"{seconds[f'{call}: call']['cpu']:,.3f}", f"{compiling:.3f}"]
                cells += [f"{counts[call][of]:g}" for of in ("programs", "long")]
                cells.append(f"{counts[call]['MiB']:.0f}")
            if len(run["counts"]) > 1:
                ratios = [f"{run['ratios'][f'{call}: call']['cpu']:.2f}"]
            rows.append((f"{start_of(run)}: {call}", *cells, *ratios))
    columns = ("CPU s", "compiling", "programs", "> 0.5 s", "MiB")
    trees = list(runs[0]["counts"])
    titles = [f"{name} {column}" for name in trees for column in columns]
    return markdown(("call", *titles, *["new/old"] * (len(trees) > 1)), rows)


def start_of(run: dict[str, Any]) -> str:
    """Of what door, table and cache a process was."""
    cache = "cache" if run["cached"] else "cold"
    size = f"{run['num_samples']:,} x {run['num_concepts']:,}"
    return f"{run['door']}, {size}, {cache}"


def counted(count: int, name: str, plural: str = "") -> str:
    """A number of things.

    >>> counted(1, "tie pattern"), counted(2, "tie pattern")
    ('1 tie pattern', '2 tie patterns')
    """
    return f"{count:,} {name if count == 1 else plural or f'{name}s'}"


def seconds_of(timing: dict[str, float]) -> tuple[str, str, str]:
    """Wall, spread and processor seconds, as text."""
    spread = f"{timing['spread']:,.3f}" if timing["repeats"] > 1 else ""
    return f"{timing['wall']:,.3f}", spread, f"{timing['cpu']:,.3f}"


def ratio_rows(ratios: dict[str, float]) -> list[tuple[str, float, float]]:
    """Each ratio by the clock and by processor seconds."""
    return [
        (name, value, ratios[f"{name} cpu"])
        for name, value in ratios.items()
        if f"{name} cpu" in ratios
    ]


def goal_of(name: str, value: float, goals: dict[str, float]) -> str:
    """The goal, and whether the value meets it."""
    if name not in goals:
        return ""
    is_upper = name in UPPER
    met = value <= goals[name] if is_upper else value >= goals[name]
    return f"{'≤' if is_upper else '≥'} {goals[name]:,g}{'' if met else ' (missed)'}"


def sizes_of(record: dict[str, Any]) -> str:
    """The sizes of a case in words."""
    return (
        f"{record['num_neurons']:,} neurons, {record['num_samples']:,} samples, "
        f"{record['num_concepts']:,} concepts ({record['num_searched']:,} searched), "
        f"{record['num_rows']:,} distinct rows"
    )


def machine_of(record: dict[str, Any]) -> str:
    """Where and when a run took place."""
    versions = record["versions"]
    return (
        f"{record['time']}; {record['num_devices']} x {record['device']} "
        f"({record['processor']}, {record['num_cores']} cores, load "
        f"{record['load']:.1f} at the end); Python {record['python']}, "
        + ", ".join(f"{name} {number}" for name, number in versions.items())
    )


def markdown(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table; the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [header, tuple("-" * width for width in widths), *rows]
    padded = [
        [
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        for line in lines
    ]
    padded[1][1:] = [f"{cell[:-1]}:" for cell in padded[1][1:]]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in padded)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+", help="JSON lines of benchmarks")
    tables = {
        "layer": layer_table,
        "scaling": scaling_table,
        "null cost": null_cost_table,
        "null level": null_level_table,
        "null figure": null_figure_table,
        "truth": truth_table,
        "counts": counts_table,
        "start": start_table,
        "meaning": meaning_table,
    }
    for path in parser.parse_args().files:
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            table = tables.get(record["benchmark"])
            print(table(record) if table else json.dumps(record, indent=2))


if __name__ == "__main__":
    main()
