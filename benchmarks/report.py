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
UPPER = ("a/d", "peak_gib")


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
    tables = {"layer": layer_table, "scaling": scaling_table}
    for path in parser.parse_args().files:
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            table = tables.get(record["benchmark"])
            print(table(record) if table else json.dumps(record, indent=2))


if __name__ == "__main__":
    main()
